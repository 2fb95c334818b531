// What a model says of the clip of a viewer: panels under the skeletons. viewer.js shows them and moves their time.
//
// A panel is made by a function (clip, viewer) -> { element, at(seconds) }, or null where the clip has nothing for it.
// `at` is left out where nothing moves. A new panel is one such function, and its name in one of the two lists below.
const SkeletonPanels = (() => {
"use strict";

function element(name, style, text) {
  const made = document.createElement(name);
  if (style) made.className = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

// --- timelines ------------------------------------------------------------------------------------------------------

/** A lane of segments for each person, with a cursor and what is said now. */
function timelines(clip, viewer) {
  if (!clip.lanes.length && !clip.spans.length) return null;
  const length = clip.frames / clip.fps;
  const block = element("div", "sv-lanes");
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", "What each person does over time");
  const lanes = clip.lanes.map((lane) => new Lane(lane, length, viewer));
  if (clip.spans.length) lanes.push(weighedSpans(clip.spans, length));
  block.append(...lanes.flatMap((lane) => lane.parts), timeAxis(length));
  return { element: block, at: (seconds) => lanes.forEach((lane) => lane.at(seconds)) };
}

/** A lane that shows how much of the answer rests on each span of time. */
function weighedSpans(spans, length) {
  const bar = element("div", "sv-lane sv-spans");
  for (const [begin, end, weight, words] of spans) {
    const made = element("span", "sv-segment");
    made.style.left = `${(100 * begin) / length}%`;
    made.style.width = `${(100 * (end - begin)) / length}%`;
    made.style.background = `color-mix(in srgb, var(--sv-heavy) ${100 * weight}%, var(--sv-light))`;
    made.title = `${begin.toFixed(2)} to ${end.toFixed(2)} s: ${words}`;
    bar.append(made);
  }
  const now = element("output", "sv-now");
  now.setAttribute("aria-live", "off");
  const at = (seconds) => {
    now.textContent = spans.findLast(([begin, end]) => begin <= seconds && seconds < end)?.[3] ?? "";
  };
  return { parts: [element("span", "sv-who", "rests on"), now, bar], at };
}

/** The label of a segment, with its probability where a model gave it to a class. */
const said = ([, , label, share, none]) => (none || share === null ? label : `${label} ${Math.round(100 * share)} %`);

class Lane {
  constructor({ person, segments, by }, length, viewer) {
    Object.assign(this, { person, segments, length, viewer });
    const who = `person ${person}${by ? ` · ${by}` : ""}`;
    const name = element("span", "sv-who", who);
    if (by) name.title = who;
    name.prepend(element("i"));
    this.bar = element("div", "sv-lane");
    this.cursor = element("b", "sv-cursor");
    this.bar.append(...segments.map((segment) => this.block(segment)), this.cursor);
    this.now = element("output", "sv-now");
    this.now.setAttribute("aria-live", "off");
    this.parts = [name, this.now, this.bar];
    for (const part of this.parts) part.classList.add(`sv-person-${person % 2}`);
    const described = {
      role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": length.toFixed(2),
      "aria-label": `${who}: arrow keys jump from action to action`,
    };
    for (const [key, value] of Object.entries(described)) this.bar.setAttribute(key, value);
    this.bar.addEventListener("click", (event) => this.jump(event));
    this.bar.addEventListener("keydown", (event) => this.key(event));
  }

  block(segment) {
    const [start, end, label, , none] = segment;
    const made = element("span", none ? "sv-segment sv-none" : "sv-segment");
    if (!none) made.append(element("span", "", label));
    made.style.left = `${(100 * start) / this.length}%`;
    made.style.width = `${(100 * (end - start)) / this.length}%`;
    made.title = `${said(segment)}, ${start.toFixed(2)} to ${end.toFixed(2)} s`;
    return made;
  }

  jump(event) {
    const { left, width } = this.bar.getBoundingClientRect();
    this.viewer.seekTime((this.length * (event.clientX - left)) / width);
  }

  /** Left and right go to the start of an action; other keys are the viewer's. */
  key(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const starts = this.segments.map(([start]) => start);
    const step = 1 / this.viewer.clip.fps;
    const to =
      event.key === "ArrowRight"
        ? starts.find((start) => start > this.seconds + 1e-6)
        : starts.findLast((start) => start < this.seconds - step);
    if (to !== undefined) this.viewer.seekTime(to);
  }

  at(seconds) {
    this.seconds = seconds;
    this.cursor.style.left = `${(100 * seconds) / this.length}%`;
    const place = this.segments.findLastIndex(([start, end]) => start <= seconds + 1e-6 && seconds < end);
    const words = place < 0 ? "not seen" : said(this.segments[place]);
    this.bar.setAttribute("aria-valuenow", seconds.toFixed(2));
    this.bar.setAttribute("aria-valuetext", `${seconds.toFixed(2)} s: ${words}`);
    if (place === this.place) return;
    this.place = place;
    [...this.bar.querySelectorAll(".sv-segment")].forEach((block, index) =>
      block.classList.toggle("sv-is-now", index === place));
    this.now.textContent = words;
  }
}

/** Seconds below the lanes, at round steps. */
function timeAxis(length) {
  const axis = element("div", "sv-axis");
  axis.setAttribute("aria-hidden", "true");
  const step = [0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((each) => length / each <= 8) ?? length / 8;
  for (let mark = 0; mark <= length; mark += step) {
    const text = element("span", "", mark ? String(Number(mark.toFixed(1))) : "0 s");
    text.style.left = `${(100 * mark) / length}%`;
    axis.append(text);
  }
  return axis;
}

// --- answers to the whole clip --------------------------------------------------------------------------------------

/** What recognisers answer to the whole clip, and what else is said of it, as bars. */
function answers({ truth, answers, bars }) {
  if (!answers.length && !bars.length) return null;
  const block = element("div", "sv-answers");
  if (truth && answers.length) {
    const line = element("p", "sv-truth", "True class: ");
    line.append(element("b", "", truth));
    block.append(line);
  }
  for (const answer of answers) block.append(verdict(answer, truth));
  for (const each of bars) block.append(shares(each));
  return { element: block };
}

function shares({ title, words, rows }) {
  const block = element("div", "sv-answer sv-shares");
  const about = element("p");
  about.append(element("b", "", title), words);
  const list = element("ol");
  list.append(...rows.map(([name, share, shown]) => barOf(name, share, shown)));
  block.append(about, list);
  return block;
}

function verdict(answer, truth) {
  const block = element("div", "sv-answer");
  const verdict = element("p", "sv-verdict");
  verdict.append(element("b", "", answer.title));
  const predicted = answer.rows[0][0];
  if (truth === null) verdict.append(element("span", "", predicted));
  else if (predicted === truth) verdict.append(element("span", "sv-is-right", `✓ right: ${predicted}`));
  else verdict.append(element("span", "sv-is-wrong", `✗ wrong: ${predicted}`));
  const list = element("ol");
  for (const [name, share] of answer.rows) {
    const row = barOf(name + (name === truth ? " (true)" : ""), share, percent(share));
    row.classList.toggle("sv-is-true", name === truth);
    list.append(row);
  }
  block.append(verdict, list);
  return block;
}

function barOf(name, share, shown) {
  const row = element("li");
  const track = element("span", "sv-track");
  const bar = element("i");
  bar.style.width = `${100 * Math.max(share, 0)}%`;
  track.append(bar);
  track.setAttribute("aria-hidden", "true");
  row.append(element("span", "", name), track, element("span", "", shown));
  return row;
}

return { element, Lane, weighedSpans, timeAxis, tracks: [timelines], below: [answers] };
})();
