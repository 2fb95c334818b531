// The lanes of the persons, as the user corrects them: labels, edges, new spans.
import { during, element, send } from "./api.js";

const LEAST = 0.04; // seconds of a span
const round = (seconds) => Math.round(1000 * seconds) / 1000;

/** The labelled spans of one recording: they are changed here, and kept by the server. */
export class Labels {
  constructor({ recording, spans, classes, window }) {
    const { id, seconds, persons } = recording;
    Object.assign(this, { id, seconds, persons, spans, classes, window });
    this.past = [];
    this.changed = () => {}; // draws the spans again
    this.saved = () => {};
  }

  of(person) {
    return this.spans.filter((span) => span.person === person).sort((one, other) => one.start - other.start);
  }

  at(person, seconds) {
    return this.of(person).find((span) => span.start <= seconds + 1e-6 && seconds < span.end);
  }

  /** From where to where a span may reach, so that it overlaps no other: of a span, or of a moment without one. */
  room(person, seconds, self) {
    const others = this.of(person).filter((span) => span !== self);
    const begin = Math.max(0, ...others.filter((span) => span.end <= seconds + 1e-6).map((span) => span.end));
    const end = Math.min(this.seconds, ...others.filter((span) => span.start > seconds - 1e-6).map((span) => span.start));
    return [begin, end];
  }

  remember() {
    this.past.push(this.spans.map((span) => ({ ...span })));
    if (this.past.length > 100) this.past.shift();
  }

  undo() {
    if (!this.past.length) return;
    this.spans = this.past.pop();
    this.save();
  }

  add(person, start, end, label) {
    this.remember();
    const span = { person, start: round(start), end: round(end), label, corrected: true };
    this.spans.push(span);
    this.save();
    return span;
  }

  set(span, values) {
    const next = { ...span, ...values };
    const [begin, end] = this.room(span.person, (span.start + span.end) / 2, span);
    next.start = round(Math.min(Math.max(next.start, begin), end - LEAST));
    next.end = round(Math.max(Math.min(next.end, end), next.start + LEAST));
    if (Object.keys(next).every((key) => next[key] === span[key])) return;
    this.remember();
    Object.assign(span, next, { corrected: true });
    this.save();
  }

  remove(span) {
    this.remember();
    this.spans = this.spans.filter((one) => one !== span);
    this.save();
  }

  split(span, seconds) {
    if (seconds < span.start + LEAST || seconds > span.end - LEAST) return;
    this.remember();
    this.spans.push({ ...span, start: round(seconds), corrected: true });
    Object.assign(span, { end: round(seconds), corrected: true });
    this.save();
  }

  /** One request after the other: the last state is what the server keeps. */
  save() {
    this.changed();
    this.saved();
    const spans = this.spans.map((span) => ({ ...span }));
    this.saving = (this.saving ?? Promise.resolve()).then(() =>
      during("Keeping the labels …", () => send("PUT", `/api/recordings/${this.id}/spans`, { spans })));
  }
}

/** A lane that can be corrected. */
class EditableLane extends SkeletonPanels.Lane {
  constructor(person, model, length, viewer, editor) {
    super({ person, segments: [] }, length, viewer);
    Object.assign(this, { model, editor, labels: editor.labels });
    this.bar.classList.add("can-edit");
    this.bar.setAttribute("aria-label",
      `person ${person}: arrow keys jump from action to action, Enter changes the label, I and O set begin and end, ` +
      "S splits, Delete removes, W asks why");
    this.bar.addEventListener("pointerdown", (event) => this.drag(event));
    this.bar.addEventListener("focus", () => editor.select(this));
  }

  /** Draws the spans, and what the model found to be none of the classes where no span lies. */
  show() {
    const spans = this.labels.of(this.person);
    const share = (span) =>
      this.model.find(([start, end, label]) =>
        !span.corrected && label === span.label && Math.abs(start - span.start) + Math.abs(end - span.end) < 0.01)?.[3];
    const rows = spans.map((span) => [span.start, span.end, span.label, share(span) ?? null, false, span]);
    for (const [start, end, label, value, none] of this.model) {
      if (!none) continue;
      let from = start;
      for (const span of [...spans, { start: end, end }]) {
        if (span.start > from + 0.01) rows.push([from, Math.min(span.start, end), label, value, true]);
        from = Math.max(from, span.end);
        if (from >= end) break;
      }
    }
    this.segments = rows.sort((one, other) => one[0] - other[0]);
    this.bar.replaceChildren(...this.segments.map((segment) => this.block(segment)), this.cursor);
    this.place = undefined;
    if (this.seconds !== undefined) this.at(this.seconds);
  }

  block(segment) {
    const made = super.block(segment);
    const span = segment[5];
    if (!span) return made;
    made.classList.toggle("is-corrected", span.corrected);
    made.classList.toggle("is-selected", span === this.editor.span);
    if (span.corrected) made.title += ", corrected by hand";
    if (span === this.editor.span) made.append(...["start", "end"].map((edge) => this.edge(edge)));
    return made;
  }

  edge(name) {
    const made = element("b", `edge edge-${name}`);
    made.dataset.edge = name;
    return made;
  }

  secondsAt(event) {
    const { left, width } = this.bar.getBoundingClientRect();
    return Math.min(Math.max((this.length * (event.clientX - left)) / width, 0), this.length);
  }

  /** Moves an edge of the selected span with the pointer. */
  drag(event) {
    const edge = event.target.dataset?.edge;
    if (!edge) return;
    event.preventDefault();
    const span = this.editor.span;
    const block = event.target.parentElement;
    const before = { start: span.start, end: span.end };
    const shown = { ...before };
    const [begin, end] = this.labels.room(this.person, (span.start + span.end) / 2, span);
    const move = (moved) => {
      const seconds = Math.min(Math.max(this.secondsAt(moved), begin), end);
      shown[edge] = edge === "start" ? Math.min(seconds, before.end - LEAST) : Math.max(seconds, before.start + LEAST);
      block.style.left = `${(100 * shown.start) / this.length}%`;
      block.style.width = `${(100 * (shown.end - shown.start)) / this.length}%`;
      this.viewer.seekTime(shown[edge]);
    };
    const stop = new AbortController();
    this.dragging = true;
    window.addEventListener("pointermove", move, { signal: stop.signal });
    for (const name of ["pointerup", "pointercancel"]) {
      window.addEventListener(name, (last) => {
        stop.abort();
        if (name === "pointerup") this.labels.set(span, shown);
        else this.show();
        setTimeout(() => (this.dragging = false)); // after the click that follows
        last.preventDefault();
      }, { signal: stop.signal });
    }
  }

  jump(event) {
    if (this.dragging) return;
    super.jump(event);
    this.editor.select(this, this.labels.at(this.person, this.secondsAt(event)));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "z") this.labels.undo();
      return;
    }
    if (event.altKey) return;
    const { editor, labels } = this;
    const actions = {
      Enter: () => editor.name.focus(),
      i: () => this.begin(),
      o: () => this.end(),
      s: () => editor.span && labels.split(editor.span, this.moment),
      Delete: () => editor.remove(),
      Backspace: () => editor.remove(),
      w: () => editor.why(),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return super.key(event);
    event.preventDefault();
    event.stopPropagation();
    editor.select(this, labels.at(this.person, this.moment));
    action();
  }

  /** Where the viewer stands; `seconds` is where it was drawn last. */
  get moment() {
    return Math.floor(this.viewer.time) / this.viewer.clip.fps;
  }

  /** The span at the cursor begins there; where there is none, the next one does. */
  begin() {
    const span = this.editor.span ?? this.labels.of(this.person).find(({ start }) => start > this.moment);
    if (span) this.labels.set(span, { start: this.moment });
  }

  /** The span at the cursor ends there; where there is none, the one before does. */
  end() {
    const span = this.editor.span ?? this.labels.of(this.person).findLast(({ end }) => end <= this.moment + 1e-6);
    if (span) this.labels.set(span, { end: this.moment });
  }

  at(seconds) {
    super.at(seconds);
    this.editor?.moved(this);
  }
}

/** What changes the span that is selected, and adds one where there is none. */
class Editor {
  constructor(labels, viewer, explain) {
    Object.assign(this, { labels, viewer, explain });
    this.span = undefined;
    this.form = element("form", "editor");
    this.form.noValidate = true;
    this.who = element("p", "editor-who");
    const list = element("datalist");
    list.id = "classes";
    list.append(...labels.classes.map((name) => Object.assign(element("option"), { value: name })));
    this.name = this.field("Label", { type: "text", maxLength: 100, autocomplete: "off" });
    this.name.setAttribute("list", list.id);
    this.start = this.field("From (s)", { type: "number", step: "0.05", min: "0" });
    this.end = this.field("To (s)", { type: "number", step: "0.05", min: "0" });
    this.addButton = this.button("Add", () => this.apply(), "Label this time");
    this.splitButton = this.button("Split here", () => this.labels.split(this.span, this.seconds), "Split at the cursor (S)");
    this.removeButton = this.button("Remove", () => this.remove(), "Remove the label (Delete)");
    this.undoButton = this.button("Undo", () => this.labels.undo(), "Undo the last change (Ctrl Z)");
    this.whyButton = this.button("Why?", () => this.why(),
      "The likeliest actions at this moment, what they rest on, the nearest training clips (W)");
    const keys = element("p", "sv-keys editor-keys sv-by-key");
    const named = [["Enter", "label"], ["I", "begin here"], ["O", "end here"], ["S", "split"], ["Delete", "remove"],
      ["Ctrl Z", "undo"], ["W", "why"]];
    keys.append("On a lane: ", ...named.flatMap(([key, words], place) =>
      [place ? ", " : "", element("kbd", "", key), ` ${words}`]), ". Edges of the chosen span are dragged.");
    this.form.append(this.who, ...[this.name, this.start, this.end].map((field) => field.parentElement), list,
      this.addButton, this.splitButton, this.removeButton, this.undoButton, this.whyButton, keys);
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => this.span && this.apply());
    this.form.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the keys of the viewer are letters
      if (event.key === "Enter" && event.target.tagName === "INPUT") {
        event.preventDefault();
        if (this.apply()) this.lane.bar.focus();
      }
      if (event.key === "Escape") this.lane.bar.focus();
    });
    labels.changed = () => {
      if (!labels.spans.includes(this.span)) this.span = undefined;
      this.lanes.forEach((lane) => lane.show());
      this.show();
    };
  }

  field(words, settings) {
    const label = element("label", "", `${words} `);
    const input = Object.assign(element("input"), settings);
    label.append(input);
    return input;
  }

  button(words, action, title) {
    const made = Object.assign(element("button", "", words), { type: "button", title });
    made.addEventListener("click", action);
    return made;
  }

  get seconds() {
    return this.lane.moment;
  }

  select(lane, span = this.labels.at(lane.person, lane.moment)) {
    if (this.lane === lane && this.span === span && this.ready) return;
    [this.lane, this.span, this.ready] = [lane, span, true];
    this.lanes.forEach((one) => one.show());
    this.show();
  }

  /** The cursor has moved: what is selected is where it stands, unless somebody is typing. */
  moved(lane) {
    if (lane !== this.lane || lane.dragging || this.form.contains(document.activeElement)) return;
    if (this.viewer.playing) return;
    const span = this.labels.at(lane.person, lane.seconds);
    if (span !== this.span) this.select(lane, span);
    else if (!span) this.show();
  }

  /** The free time around the cursor, 2 seconds at most. */
  gap() {
    const [begin, end] = this.labels.room(this.lane.person, this.seconds);
    const start = Math.max(begin, Math.min(this.seconds - 1, end - 2));
    return [start, Math.min(end, start + 2)];
  }

  show() {
    const { span } = this;
    const [start, end] = span ? [span.start, span.end] : this.gap();
    const what = span ? (span.corrected ? "your label" : "as the model says") : "not labelled here";
    this.who.textContent = `person ${this.lane.person}: ${what}`;
    this.name.value = span?.label ?? "";
    this.start.value = start.toFixed(2);
    this.end.value = end.toFixed(2);
    this.addButton.hidden = Boolean(span);
    this.splitButton.hidden = this.removeButton.hidden = !span;
    this.undoButton.disabled = !this.labels.past.length;
    this.whyButton.hidden = !this.explain;
  }

  /** Takes what the fields say, and tells whether that could be. */
  apply() {
    const label = this.name.value.trim();
    const [start, end] = [Number(this.start.value), Number(this.end.value)];
    const [begin, last] = this.labels.room(this.lane.person, this.seconds, this.span);
    const wrong = label ? Math.min(end, last) - Math.max(start, begin) >= LEAST ? null : this.start : this.name;
    if (wrong) wrong.focus();
    else if (this.span) this.labels.set(this.span, { label, start, end });
    else {
      this.span = this.labels.add(this.lane.person, Math.max(start, begin), Math.min(end, last), label);
      this.labels.changed();
    }
    return !wrong;
  }

  remove() {
    if (this.span) this.labels.remove(this.span);
  }

  /** As long as the model looks at, around the cursor, within the span that is selected. */
  why() {
    if (!this.explain) return;
    const [low, high] = this.span ? [this.span.start, this.span.end] : [0, this.labels.seconds];
    const { window } = this.labels;
    const start = Math.max(low, Math.min(this.seconds - window / 2, high - window));
    this.explain(this.lane.person, start, Math.min(high, start + window));
  }
}

/** The panel of lanes that can be corrected, in place of those of panels.js; see there. */
export function editableLanes(clip, viewer, labels, explain) {
  const length = clip.frames / clip.fps;
  const block = element("div", "sv-lanes");
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", "What each person does over time");
  const editor = new Editor(labels, viewer, explain);
  const own = clip.lanes.filter((lane) => !lane.by);
  editor.lanes = Array.from({ length: labels.persons }, (_, person) => {
    const model = own.find((lane) => lane.person === person)?.segments ?? [];
    return new EditableLane(person, model, length, viewer, editor);
  });
  const others = clip.lanes.filter((lane) => lane.by).map((lane) => new SkeletonPanels.Lane(lane, length, viewer));
  const weights = clip.spans.length ? [SkeletonPanels.weighedSpans(clip.spans, length)] : [];
  const lanes = [...editor.lanes, ...others, ...weights];
  editor.lane = editor.lanes[0];
  editor.select(editor.lanes[0], labels.at(0, 0));
  block.append(...lanes.flatMap((lane) => lane.parts), SkeletonPanels.timeAxis(length));
  const whole = element("div");
  whole.append(block, editor.form);
  return { element: whole, at: (seconds) => lanes.forEach((lane) => lane.at(seconds)) };
}
