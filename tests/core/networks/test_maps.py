from __future__ import annotations

import pytest
import torch

from crossdl.networks.maps import against_the_others


@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("size", [1.0, 40.0])
def test_the_sigmoid_against_the_others_is_the_softmax(channels: int, size: float) -> None:
    logits = size * torch.randn(2, channels, 3, 4, 5)
    binary = against_the_others(logits)
    torch.testing.assert_close(binary.sigmoid(), logits.softmax(dim=1))


def test_it_tells_apart_what_softmax_rounds_to_one() -> None:
    logits = torch.tensor([[40.0, 0.0, 0.0], [60.0, 0.0, 0.0]])
    assert torch.equal(logits.softmax(dim=1)[:, 0], torch.ones(2))
    binary = against_the_others(logits)[:, 0].double()
    expected = torch.tensor([40.0, 60.0]).double() - torch.log(torch.tensor(2.0).double())
    torch.testing.assert_close(binary, expected, rtol=1e-6, atol=0)
