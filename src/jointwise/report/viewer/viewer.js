// Plays the clips of a viewer: its controls, its keys and its clock; scene.js draws.
const SkeletonViewer = (() => {
"use strict";

const { element } = SkeletonPanels;

class Viewer {
  constructor(root) {
    this.root = root;
    const find = (selector) => root.querySelector(selector);
    this.data = JSON.parse(find("script[type='application/json']").textContent);
    this.chooser = find(".sv-clip select");
    this.speeds = find(".sv-speed select");
    this.scrub = find(".sv-scrub input");
    this.seen = find(".sv-seen");
    this.readout = find(".sv-time");
    this.cells = find(".sv-cells");
    this.tracks = find(".sv-tracks");
    this.below = find(".sv-panels");
    this.playButton = find(".sv-play");
    this.bodyButton = find(".sv-body"); // none where no skeleton has bones
    this.onScreen = true;
    this.closing = new AbortController();
    this.time = 0; // in frames
    this.playing = false;
    this.fillChooser();
    this.listen();
    try {
      this.stage = new SkeletonStage.Stage(root, () => this.redraw());
    } catch {
      find("canvas").hidden = true;
      find(".sv-message").hidden = false;
    }
    this.choose(0);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  fillChooser() {
    for (const clip of this.data.clips) {
      const marks = clip.answers.map((answer) => (answer.rows[0]?.[0] === clip.truth ? "✓" : "✗")).join("");
      this.chooser.append(element("option", "", clip.title + (clip.truth && marks ? `  ${marks}` : "")));
    }
    this.root.querySelector(".sv-choose").hidden = this.data.clips.length < 2;
  }

  listen() {
    const { root, scrub } = this;
    this.chooser.addEventListener("change", () => this.choose(this.chooser.selectedIndex));
    this.speeds.addEventListener("change", () => this.redraw());
    scrub.addEventListener("input", () => this.seek(Number(scrub.value)));
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-do]");
      if (button) this[button.dataset.do]();
    });
    root.addEventListener("keydown", (event) => this.key(event));
    root.querySelector("canvas").addEventListener("pointerdown", () => root.focus({ preventScroll: true }));
    root.querySelector("canvas").addEventListener("webglcontextrestored", () => this.redraw());
    const repaint = () => {
      this.stage?.repaint();
      this.redraw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint, { signal: this.closing.signal });
    const watch = new IntersectionObserver(([entry]) => {
      this.onScreen = entry.isIntersecting;
      this.redraw();
    });
    watch.observe(root.querySelector(".sv-stage"));
    this.closing.signal.addEventListener("abort", () => watch.disconnect());
  }

  /** Ends a viewer whose element is taken out of the page: browsers allow few canvases in 3D at once. */
  close() {
    this.closing.abort();
    this.clip = undefined;
    this.stage?.close();
  }

  // --- actions --------------------------------------------------------------------------------------------------------

  /** Shows a clip from its beginning. It plays if the one before was playing. */
  choose(index) {
    this.index = (index + this.data.clips.length) % this.data.clips.length;
    const clip = (this.clip = this.data.clips[this.index]);
    this.chooser.selectedIndex = this.index;
    this.panels = SkeletonStage.decode(clip, this.data.skeletons);
    this.cells.replaceChildren(...this.panels.map((panel) => this.cell(panel)));
    const titles = this.panels.map((panel) => panel.title).join(", ");
    this.root.querySelector("canvas").setAttribute("aria-label", `${clip.title}, in 3D: ${titles}`);
    this.scrub.max = clip.frames - 1;
    for (const entry of this.root.querySelectorAll(".sv-for-weights")) entry.hidden = !this.panels.some((panel) => panel.weights);
    for (const entry of this.root.querySelectorAll(".sv-for-two")) entry.hidden = this.panels[0].persons < 2;
    this.markSeen();
    this.showPanels();
    this.time = 0;
    this.stage?.show(this.panels, clip);
    this.redraw();
  }

  next() {
    this.choose(this.index + 1);
  }

  previous() {
    this.choose(this.index - 1);
  }

  reset() {
    this.stage?.reset();
    this.redraw();
  }

  /** Draws bodies in place of joints and bones, or these again. */
  body(on = !this.stage?.asBody) {
    this.stage?.showBodies(on);
    this.bodyButton?.setAttribute("aria-pressed", on);
    this.redraw();
  }

  play(on = !this.playing) {
    this.playing = on && this.clip.frames > 1;
    this.root.classList.toggle("sv-playing", this.playing);
    this.playButton.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.playButton.title = this.playing ? "Pause (space)" : "Play (space)";
    this.last = undefined;
    this.redraw();
  }

  /** Pauses at a frame. */
  seek(frame) {
    this.play(false);
    this.time = Math.min(Math.max(frame, 0), this.clip.frames - 1);
    this.redraw();
  }

  /** Pauses at the first frame that is not before a time in seconds. */
  seekTime(seconds) {
    this.seek(Math.ceil(seconds * this.clip.fps - 1e-6));
  }

  faster(steps) {
    const index = this.speeds.selectedIndex + steps;
    this.speeds.selectedIndex = Math.min(Math.max(index, 0), this.speeds.options.length - 1);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const onButton = event.target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter");
    const frame = Math.floor(this.time);
    const actions = {
      " ": () => this.play(),
      ArrowLeft: () => this.seek(frame - 1),
      ArrowRight: () => this.seek(frame + 1),
      Home: () => this.seek(0),
      End: () => this.seek(this.clip.frames - 1),
      ArrowUp: () => this.faster(1),
      ArrowDown: () => this.faster(-1),
      "+": () => this.faster(1),
      "-": () => this.faster(-1),
      n: () => this.next(),
      p: () => this.previous(),
      "]": () => this.next(),
      "[": () => this.previous(),
      r: () => this.reset(),
      b: () => this.body(),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || onButton) return;
    event.preventDefault();
    action();
  }

  // --- display --------------------------------------------------------------------------------------------------------

  cell(panel) {
    const made = element("div", "sv-cell");
    const title = element("span", "", panel.title);
    title.append(element("small"));
    made.append(title);
    return made;
  }

  /** Marks on the scrub bar the frames in which the student sees something. */
  markSeen() {
    const panel = this.panels.find((candidate) => candidate.hiding);
    const frames = this.clip.frames;
    const seen = Array.from({ length: frames }, (_, frame) => panel && this.anythingShown(panel, frame));
    this.seen.hidden = !panel || seen.every(Boolean);
    const mark = this.root.querySelector(".sv-for-gaps");
    if (mark) mark.hidden = this.seen.hidden;
    for (const entry of this.root.querySelectorAll(".sv-for-seen")) entry.hidden = !panel;
    if (this.seen.hidden) return;
    const stops = seen.map((isSeen, frame) => {
      const colour = isSeen ? "var(--sv-accent)" : "transparent";
      return `${colour} ${(100 * frame) / frames}% ${(100 * (frame + 1)) / frames}%`;
    });
    this.seen.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  }

  anythingShown(panel, frame) {
    const joints = panel.skeleton.joints.length;
    for (let person = 0; person < panel.persons; person++) {
      const first = (person * this.clip.frames + frame) * joints;
      if (panel.shown.subarray(first, first + joints).includes(1)) return true;
    }
    return false;
  }

  /** What a model says of the clip: a panel each, see panels.js. */
  showPanels() {
    const made = (makers) => makers.map((make) => make(this.clip, this)).filter(Boolean);
    const [beside, below] = [made(SkeletonPanels.tracks), made(SkeletonPanels.below)];
    this.tracks.replaceChildren(...beside.map((panel) => panel.element));
    this.below.replaceChildren(...below.map((panel) => panel.element));
    this.following = [...beside, ...below].filter((panel) => panel.at);
  }

  showTime(frame) {
    const { frames, fps } = this.clip;
    const seconds = (count) => (count / fps).toFixed(2);
    const words = `frame ${frame + 1} of ${frames}, ${seconds(frame)} s`;
    this.scrub.value = frame;
    this.scrub.setAttribute("aria-valuetext", words);
    this.readout.textContent = `${frame + 1} / ${frames} · ${seconds(frame)} / ${seconds(frames)} s`;
    for (const panel of this.following) panel.at(frame / fps);
    this.panels.forEach((panel, index) => {
      const note = panel.hiding && !this.anythingShown(panel, frame) ? "nothing in this frame" : "";
      const shown = this.cells.children[index].querySelector("small");
      if (shown.textContent !== note) shown.textContent = note;
    });
  }

  // --- the clock ------------------------------------------------------------------------------------------------------

  /** Draws at the next animation frame, and at every one after it while the clip plays and is on screen. */
  redraw() {
    this.due ??= requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.due = undefined;
    if (!this.onScreen || !this.clip) {
      this.last = undefined;
      return;
    }
    if (this.playing) {
      const elapsed = this.last === undefined ? 0 : Math.min((now - this.last) / 1000, 0.25);
      this.last = now;
      this.time = (this.time + elapsed * this.clip.fps * Number(this.speeds.value)) % this.clip.frames;
    }
    this.showTime(Math.floor(this.time));
    this.stage?.draw(this.time);
    if (this.playing) this.redraw();
  }
}

/** Brings the markup of a viewer to life, and returns its Viewer, which stands in `root.viewer` as well. */
function open(root) {
  return (root.viewer = new Viewer(root));
}

document.querySelectorAll(".sv").forEach(open);
return { open };
})();
