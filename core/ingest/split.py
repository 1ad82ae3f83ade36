"""Division of patients into training, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from crossdl.ingest.rules import SplitRules


def divide(
    patients: Collection[str], rules: SplitRules, known: Mapping[str, str]
) -> dict[str, str]:
    """Split of every patient.

    The order in which patients are taken depends on the seed and their PatientID only, not on the
    salt or on other patients. At first the fractions are exact up to rounding; later patients
    fill what is lacking of validation and test, and nobody moves.

    Args:
        patients: PatientIDs.
        rules: Fractions and seed.
        known: PatientID → split of earlier builds.

    Returns:
        PatientID → ``"train"``, ``"valid"`` or ``"test"``.
    """
    everyone = sorted(set(patients), key=lambda patient: _rank(patient, rules.seed))
    split = {patient: known[patient] for patient in everyone if patient in known}
    new = [patient for patient in everyone if patient not in known]
    for name, fraction in (("valid", rules.valid), ("test", rules.test)):
        wanted = round(fraction * len(everyone)) - sum(s == name for s in split.values())
        taken, new = new[: max(0, wanted)], new[max(0, wanted) :]
        split |= dict.fromkeys(taken, name)
    return split | dict.fromkeys(new, "train")


def _rank(patient: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{patient}".encode("utf-8", "surrogatepass")).digest()
