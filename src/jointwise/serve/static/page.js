// The page: recordings are dropped, opened and watched; a data set is browsed.
import { ask, during, element, find, findingsList, say, send, unsay } from "./api.js";
import { showData } from "./data.js";
import { Labels, editableLanes } from "./labels.js";

const page = { about: undefined, open: [], shown: undefined };

// --- viewers --------------------------------------------------------------------------------------------------------

const plainTracks = SkeletonPanels.tracks[0];
SkeletonPanels.tracks[0] = (clip, viewer) =>
  viewer.root.labels
    ? editableLanes(clip, viewer, viewer.root.labels, page.about.models[0]?.names_actions ? explain : null)
    : plainTracks(clip, viewer);

/** Puts a viewer into a place of the page, and ends the one that was there. */
function showViewer(place, html, labels) {
  place.querySelector(".sv")?.viewer?.close();
  place.innerHTML = html; // made by the server; names in it are escaped
  const root = place.querySelector(".sv");
  root.labels = labels;
  return SkeletonViewer.open(root);
}

function listed(list, lines) {
  list.replaceChildren(...lines.map((line) => element("li", "", line)));
  list.hidden = !lines.length;
}

async function watch(recording) {
  const view = await during(`Looking at ${recording.name} …`, () => ask(`/api/recordings/${recording.id}/view`),
    "The first time it takes a while: the training clips are looked at, for the nearest of them.");
  if (!view) return;
  page.shown = recording.id;
  find("#watch").hidden = false;
  closeMoment();
  find("#name").textContent = recording.name;
  const truth = recording.truth ? `${recording.truth} · ` : "";
  const persons = `${recording.persons} person${recording.persons === 1 ? "" : "s"}`;
  find("#facts").textContent =
    `${truth}${recording.seconds.toFixed(1)} s, ${recording.frames} frames, ${persons}, joints: ${recording.joints}`;
  listed(find("#notes"), view.notes);
  const { classes, window } = page.about.models[0] ?? { classes: [], window: 2 };
  page.labels = new Labels({ recording, spans: view.spans, classes, window });
  page.labels.saved = listLessons;
  showViewer(find("#viewer"), view.html, page.labels);
  listLessons();
  const worst = view.findings[0]?.verdict;
  find("#findings summary").textContent = view.findings.length
    ? `Doctor: ${view.findings.length} finding${view.findings.length === 1 ? "" : "s"}, ${worst}`
    : "Doctor: nothing stands out";
  find("#findings div").replaceChildren(findingsList(view.findings));
  find("#findings").open = worst === "stop";
  listOpen();
}

async function explain(person, start, end) {
  const id = page.shown;
  const query = new URLSearchParams({ person, start: start.toFixed(3), end: end.toFixed(3) });
  const moment = await during("Asking why …", () => ask(`/api/recordings/${id}/moment?${query}`));
  if (!moment || page.shown !== id) return;
  find("#moment").hidden = false;
  find("#moment-name").textContent = `Why? Person ${person}, ${start.toFixed(1)} to ${end.toFixed(1)} s`;
  listed(find("#moment-notes"), moment.notes);
  showViewer(find("#moment-viewer"), moment.html);
  find("#moment").scrollIntoView({ block: "nearest", behavior: "instant" });
}

function closeMoment() {
  find("#moment-viewer .sv")?.viewer?.close();
  find("#moment-viewer").replaceChildren();
  find("#moment").hidden = true;
}

// --- what the model is taught --------------------------------------------------------------------------------------

/** The labels that the model does not know, to be taught, and those that it was taught. */
function listLessons() {
  const [model] = page.about.models;
  const section = find("#teach");
  section.hidden = !model;
  if (!model) return;
  const counts = new Map();
  for (const { label } of page.labels.spans) {
    if (!model.classes.includes(label)) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const lessons = [...counts].map(([name, count]) =>
    lesson(`Teach “${name}” (${count} span${count === 1 ? "" : "s"} here)`, "POST", name));
  const taught = model.taught.map((name) => lesson(`Forget “${name}”`, "DELETE", name));
  section.hidden = !lessons.length && !taught.length;
  section.querySelector("ul").replaceChildren(...lessons, ...taught);
}

function lesson(words, method, name) {
  const entry = element("li");
  const button = Object.assign(element("button", "", words), { type: "button" });
  button.addEventListener("click", async () => {
    unsay();
    await page.labels.saving;
    const keep = find("#keep").checked;
    const change = () => method === "POST"
      ? send("POST", "/api/classes", { name, keep })
      : ask(`/api/classes?${new URLSearchParams({ name, keep })}`, { method });
    const model = await during(`${words} …`, change,
      "The first lesson takes a while: the training clips are looked at.");
    if (!model) return;
    page.about.models[0] = model;
    describe(page.about);
    await watch(page.open.find(({ id }) => id === page.shown));
  });
  entry.append(button);
  return entry;
}

// --- open recordings ------------------------------------------------------------------------------------------------

function listOpen() {
  find("#open").replaceChildren(...page.open.map((recording) => {
    const entry = element("li");
    const show = Object.assign(element("button", "", recording.name), { type: "button" });
    if (recording.id === page.shown) show.setAttribute("aria-current", "true");
    show.addEventListener("click", () => watch(recording));
    const close = Object.assign(element("button", "", "×"), { type: "button", title: "Close; its labels are lost" });
    close.setAttribute("aria-label", `Close ${recording.name}; its labels are lost`);
    close.addEventListener("click", () => closeRecording(recording));
    entry.append(show, close);
    return entry;
  }));
}

async function closeRecording(recording) {
  const closed = await during("Closing …", async () => {
    await ask(`/api/recordings/${recording.id}`, { method: "DELETE" });
    return true;
  });
  if (!closed) return;
  page.open = page.open.filter((one) => one !== recording);
  if (page.shown === recording.id) {
    closeMoment();
    find("#viewer .sv")?.viewer?.close();
    find("#viewer").replaceChildren();
    find("#watch").hidden = true;
    page.shown = undefined;
    if (page.open.length) await watch(page.open.at(-1));
  }
  listOpen();
}

async function opened(recordings) {
  page.open.push(...recordings);
  listOpen();
  showTab("recordings");
  await watch(recordings[0]);
}

// --- uploads --------------------------------------------------------------------------------------------------------

async function upload(files) {
  unsay();
  files = files.filter((file) => !file.name.startsWith("."));
  if (!files.length) return say("There is no file in what was dropped.");
  const size = files.reduce((sum, file) => sum + file.size, 0) / 1e6;
  const most = page.about.upload_megabytes;
  if (size > most) {
    return say(`${files[0].name}: ${size.toFixed(0)} MB is more than ${most} MB, the limit. Cut it, or name its folder on the ` +
      "command line: jointwise serve --data folder/.");
  }
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  const said = new FormData(find("#reading form"));
  const query = new URLSearchParams([...said].filter(([, value]) => value !== ""));
  const what = files.length === 1 ? files[0].name : `${files.length} files`;
  const answer = await during(`Reading ${what} …`, () => ask(`/api/recordings?${query}`, { method: "POST", body: form }));
  answer?.problems.forEach(say);
  if (/--(layout|fps|units|up)\b/.test(find("#messages").textContent)) {
    find("#reading").open = true;
    say("Say it under “What the file does not say”, and drop the file again.");
  }
  if (!answer) return undefined;
  return answer.recordings.length ? opened(answer.recordings) : undefined;
}

/** All files below what was dropped. */
async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    for (const inner of some) found.push(...await filesIn(inner));
  }
}

function listenToDrops() {
  const drop = find("#drop");
  let inside = 0;
  const mark = () => drop.classList.toggle("is-over", inside > 0);
  document.addEventListener("dragenter", () => { inside += 1; mark(); });
  document.addEventListener("dragleave", () => { inside -= 1; mark(); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    inside = 0;
    mark();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = [...event.dataTransfer.files];
    const files = entries.length ? (await Promise.all(entries.map(filesIn))).flat() : plain;
    await upload(files);
  });
  for (const [button, input] of [["#choose-files", "#files"], ["#choose-folder", "#folder"]]) {
    find(button).addEventListener("click", () => find(input).click());
    find(input).addEventListener("change", async (event) => {
      const files = [...event.target.files];
      event.target.value = "";
      await upload(files);
    });
  }
}

// --- tabs -----------------------------------------------------------------------------------------------------------

const tabs = () => [...document.querySelectorAll("[role=tab]:not([hidden])")];

function showTab(id) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.getAttribute("aria-controls") === id;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    find(`#${tab.getAttribute("aria-controls")}`).hidden = !chosen;
  }
  if (id === "data") showData(openFromData);
}

async function openFromData(name) {
  unsay();
  const recording = await during(`Reading ${name} …`, () => send("POST", "/api/data", { name }));
  if (recording) await opened([recording]);
}

function listenToTabs() {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.addEventListener("click", () => showTab(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const all = tabs();
      const next = all[(all.indexOf(tab) + step + all.length) % all.length];
      next.focus();
      next.click();
    });
  }
}

// --- begin ----------------------------------------------------------------------------------------------------------

function describe(about) {
  const models = about.models.map(({ name, classes, data }) =>
    `${name} (${classes.length} actions${data === name ? "" : `, trained on ${data}`})`);
  find("#about").textContent = models.length
    ? `Model: ${models.join("; compared with ")}`
    : "No model: recordings are shown and looked at, but not named. With one: jointwise serve RUN";
  const terms = [...new Set(about.models.map((model) => model.terms).filter(Boolean))];
  if (terms.length) find("#about").append(element("br"), `Terms of use of its data: ${terms.join("; ")}`);
  find("#limits").textContent =
    `Up to ${about.upload_megabytes} MB: OpenPose, AlphaPose, MMPose, COCO, YOLO-pose, MediaPipe, Kinect, ZED, BVH, C3D, ` +
    "TRC, NTU, tables and arrays.";
  if (about.models[0] && !about.models[0].names_actions) {
    find("#about").append(element("br"), "It knows no action yet: label spans of two actions, and teach it both.");
  }
  if (find("#reading option:nth-child(2)")) return; // filled before
  const fill = (name, values) =>
    find(`#reading [name=${name}]`).append(...values.map((value) => element("option", "", value)));
  fill("layout", about.layouts);
  fill("units", about.units);
  fill("up", about.ups);
  if (about.data) {
    find("#tab-data").hidden = false;
    find("[role=tablist]").hidden = false;
    find("#data h2").textContent = about.data;
  }
}

async function begin() {
  page.about = await during("Loading …", () => ask("/api/about"));
  if (!page.about) return;
  describe(page.about);
  listenToDrops();
  listenToTabs();
  find("#close-moment").addEventListener("click", closeMoment);
  page.open = (await during("Loading …", () => ask("/api/recordings"))) ?? [];
  document.body.dataset.ready = "true";
  if (page.open.length) await watch(page.open.at(-1));
  else if (page.about.data) showTab("data");
}

begin();
