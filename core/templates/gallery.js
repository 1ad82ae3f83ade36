"use strict";
const byId = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".scan")];
const verdicts = new Map(); // scan -> {verdict, note, regions}
let key = "", pages = 1, at = 0, unsaved = false, lastTime = Date.now();
const seconds = []; // between verdicts
const say = (text) => { byId("message").textContent = text; };
const noteOf = (card) => card.querySelector("input");
const visible = () => cards.filter((card) => !card.hidden);

const onPage = new Map(cards.map((card) => [card.dataset.scan, card]));

function stored() {
  try {
    return JSON.parse(localStorage.getItem(key) || "[]");
  } catch (error) {
    return []; // nothing is kept: a new beginning
  }
}

// Verdicts given on the other pages of this gallery.
const elsewhere = () => (pages > 1 ? stored().filter(([scan]) => !onPage.has(scan)) : []);

function keep() {
  try {
    localStorage.setItem(key, JSON.stringify([...elsewhere(), ...verdicts]));
  } catch (error) {
    say("this browser keeps nothing: save the verdicts before you close the page");
  }
}

function paint(card) {
  const found = verdicts.get(card.dataset.scan);
  card.classList.toggle("keep", found?.verdict === "keep");
  card.classList.toggle("drop", found?.verdict === "drop");
  card.querySelector(".verdict").textContent = found ? found.verdict : "";
}

function count() {
  const shown = visible(), done = shown.filter((card) => verdicts.has(card.dataset.scan)).length;
  const dropped = shown.filter((c) => verdicts.get(c.dataset.scan)?.verdict === "drop").length;
  const sorted = [...seconds].sort((a, b) => a - b);
  const each = sorted.length ? sorted[Math.floor(sorted.length / 2)] : 2;
  const rest = (shown.length - done) * each;
  const left = rest < 90 ? `${Math.ceil(rest)} s` : `${Math.ceil(rest / 60)} min`;
  byId("count").textContent = `${done} of ${shown.length} decided, ${dropped} dropped` +
    (done < shown.length ? `, about ${left} left` : "");
  byId("bar").max = Math.max(1, shown.length);
  byId("bar").value = done;
  byId("save").classList.toggle("unsaved", unsaved);
}

function go(card) {
  if (!card) return;
  cards[at].classList.remove("here");
  at = cards.indexOf(card);
  card.classList.add("here");
  card.scrollIntoView({ block: "start" });
}

function step(by, open) {
  const later = by > 0 ? cards.slice(at + 1) : cards.slice(0, at).reverse();
  const shown = later.filter((card) => !card.hidden);
  go((open && shown.find((card) => !verdicts.has(card.dataset.scan))) || shown[0]);
}

function decide(card, verdict) {
  const scan = card.dataset.scan;
  if (verdict) {
    verdicts.set(scan, { verdict, note: noteOf(card).value, regions: card.dataset.regions });
    seconds.push(Math.min(30, (Date.now() - lastTime) / 1000));
  } else {
    verdicts.delete(scan);
  }
  lastTime = Date.now();
  unsaved = true;
  paint(card);
  keep();
  count();
}

function filter(what) {
  for (const card of cards) {
    const verdict = verdicts.get(card.dataset.scan)?.verdict;
    card.hidden = (what === "flagged" && !card.dataset.flagged) ||
      (what === "open" && Boolean(verdict)) || (what === "drop" && verdict !== "drop");
  }
  count();
  if (cards[at]?.hidden) go(visible()[0]);
}

const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function toCsv() {
  const rows = [["scan", "verdict", "note", "regions"]];
  for (const card of cards) {
    const found = verdicts.get(card.dataset.scan);
    if (found) rows.push([card.dataset.scan, found.verdict, found.note, found.regions]);
  }
  for (const [scan, found] of elsewhere()) {
    rows.push([scan, found.verdict, found.note, found.regions]);
  }
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

function fromCsv(text) {
  const rows = [[""]];
  let quoted = false;
  const body = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
  for (let k = 0; k < body.length; k++) {
    const c = body[k], row = rows[rows.length - 1];
    if (quoted && c === '"' && body[k + 1] === '"') { row[row.length - 1] += c; k++; }
    else if (c === '"') quoted = !quoted;
    else if (!quoted && c === ",") row.push("");
    else if (!quoted && c === "\n") rows.push([""]);
    else row[row.length - 1] += c;
  }
  return rows.filter((row) => row.length > 1);
}

function load(text) {
  const [head, ...rows] = fromCsv(text);
  const place = (name) => (head || []).indexOf(name);
  if (place("scan") < 0 || place("verdict") < 0) {
    say("this is no file of verdicts: it needs the columns scan and verdict");
    return;
  }
  let taken = 0;
  for (const row of rows) {
    const card = onPage.get(row[place("scan")]);
    const verdict = row[place("verdict")];
    if (!card || !["keep", "drop"].includes(verdict)) continue;
    const note = row[place("note")] || "", regions = row[place("regions")] || "";
    if (regions && regions !== card.dataset.regions) continue; // judged by other regions
    verdicts.set(card.dataset.scan, { verdict, note, regions });
    noteOf(card).value = note;
    paint(card);
    taken++;
  }
  keep();
  count();
  say(`${taken} of ${rows.length} verdicts loaded`);
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCsv()], { type: "text/csv" }));
  link.download = "verdicts.csv";
  link.click();
  unsaved = false;
  count();
  const total = verdicts.size + elsewhere().length;
  say(`verdicts.csv: ${total} verdicts; give it to crossdl qc --verdicts`);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.type === "text") {
    if (event.key === "Enter" || event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "Enter" || event.key === " " || event.target.tagName === "SELECT") return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.repeat && "kdus".includes(name)) return;
  const card = cards[at];
  if (name === "k") { decide(card, "keep"); step(1, true); }
  else if (name === "d") { decide(card, "drop"); step(1, true); }
  else if (name === "u") decide(card, "");
  else if (name === "ArrowRight" || name === "ArrowDown" || name === "j") step(1, false);
  else if (name === "ArrowLeft" || name === "ArrowUp") step(-1, false);
  else if (name === "n") noteOf(card).focus();
  else if (name === "s") save();
  else return;
  event.preventDefault();
}

function start(name, pageCount) {
  key = name;
  pages = pageCount;
  for (const mark of document.querySelectorAll("[data-colour]")) {
    mark.style.background = mark.dataset.colour;
  }
  for (const card of cards) {
    const { scan, verdict, regions } = card.dataset;
    if (verdict) verdicts.set(scan, { verdict, note: noteOf(card).value, regions });
  }
  for (const [scan, found] of stored()) {
    const card = onPage.get(scan);
    if (!card || found.regions !== card.dataset.regions) continue; // judged by other regions
    verdicts.set(scan, found);
    noteOf(card).value = found.note;
    unsaved = true;
  }
  for (const card of cards) {
    paint(card);
    card.addEventListener("click", (event) => {
      const what = event.target.dataset.do;
      if (what) decide(card, what);
      if (cards[at] !== card) { cards[at].classList.remove("here"); at = cards.indexOf(card); }
      card.classList.add("here");
    });
    noteOf(card).addEventListener("input", () => {
      const found = verdicts.get(card.dataset.scan);
      if (found) { found.note = noteOf(card).value; unsaved = true; keep(); count(); }
    });
  }
  byId("filter").addEventListener("change", (event) => {
    filter(event.target.value);
    event.target.blur();
  });
  byId("save").addEventListener("click", save);
  byId("load").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    if (file) load(await file.text());
    event.target.value = "";
  });
  const below = () => { // cards stop under the header, however many lines it has
    const height = document.querySelector("header").offsetHeight;
    document.documentElement.style.scrollPaddingTop = `${height + 6}px`;
  };
  below();
  window.addEventListener("resize", below);
  document.addEventListener("keydown", press);
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  count();
  go(visible().find((card) => !verdicts.has(card.dataset.scan)) || visible()[0]);
}
