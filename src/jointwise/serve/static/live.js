// The live page: the camera's picture, the joints that MediaPipe finds in it, and what the stream says of them.
const Live = (() => {
"use strict";

const NONE = "none of these";
const SHOWN = 30; // seconds of the lane
const SEEN = 0.5; // visibility from which a joint counts as seen, as for files of MediaPipe
const LIMBS = [
  [11, 12], [11, 23], [12, 24], [23, 24], // trunk
  [11, 13], [13, 15], [15, 19], [23, 25], [25, 27], [27, 31], // left: odd numbers
  [12, 14], [14, 16], [16, 20], [24, 26], [26, 28], [28, 32], // right: even numbers
];
const HEAD = [0, 2, 5, 7, 8]; // nose, eyes, ears
const TO_PACE = { pictures: 12, least: 4, seconds: 3 }; // from so many pictures the frame rate is measured; fewer if slow
const ENOUGH = 8; // pictures a second, below which answers are poor
const MOST_WAITING = 64_000; // bytes on their way, above which pictures are left out
const find = (id) => document.getElementById(id);

function say(words, wrong = false) {
  find("status").textContent = words;
  find("status").classList.toggle("wrong", wrong);
}

function element(kind, words, name = "") {
  const made = document.createElement(kind);
  made.textContent = words;
  made.className = name;
  return made;
}

const percent = (share) => `${Math.round(100 * share)} %`;

// --- what the stream says -----------------------------------------------------------------------------------------------

/** The last seconds as coloured spans: of windows as they come, and of segments once they are final. */
class Lane {
  constructor() {
    this.spans = []; // {start, end, label}, in order of time
    this.now = 0; // seconds
    this.drawn = -1;
    this.show();
  }

  /** An answer about a window is about its middle: it names the hop around that. */
  window({ start, end, smoothed }) {
    const middle = (start + end) / 2;
    const last = this.spans.at(-1);
    const begin = last ? last.end : start;
    const until = Math.max(begin, middle);
    if (last?.label === smoothed && !last.final) last.end = until;
    else this.spans.push({ start: begin, end: until, label: smoothed });
    this.show();
  }

  segment({ start, end, label }) {
    const later = this.spans.filter((span) => !span.final && span.end > end);
    for (const span of later) span.start = Math.max(span.start, end);
    this.spans = [...this.spans.filter((span) => span.final), { start, end, label, final: true }, ...later];
    this.show();
  }

  advance(seconds) {
    this.now = seconds;
    if (seconds - this.drawn >= 0.1) this.show();
  }

  show() {
    this.drawn = this.now;
    const begin = this.now - SHOWN;
    this.spans = this.spans.filter((span) => span.end > begin);
    const parts = this.spans.map(({ start, end, label }) => {
      const part = element("span", label, label === NONE ? "none" : "");
      part.style.left = `${(100 * (Math.max(start, begin) - begin)) / SHOWN}%`;
      part.style.width = `${(100 * (end - Math.max(start, begin))) / SHOWN}%`;
      part.title = `${label}, ${start.toFixed(1)} to ${end.toFixed(1)} s`;
      return part;
    });
    find("lane").replaceChildren(...parts);
    const words = this.spans.map((span) => span.label).join(", ") || "nothing yet";
    find("lane").setAttribute("aria-label", `What was done in the last ${SHOWN} seconds: ${words}`);
  }
}

/** The newest answer in large letters. */
function showAnswer({ label, probability, reason }) {
  const none = label === NONE;
  if (find("label").textContent !== label) find("label").textContent = label; // said aloud only where it changes
  find("label").classList.toggle("none", none);
  find("share").textContent = none ? "" : percent(probability);
  find("reason").textContent = reason ?? "";
  find("meter").value = none ? 0 : probability;
}

function clearAnswer(words = "–") {
  showAnswer({ label: words, probability: 0 });
  find("label").classList.add("none");
  find("share").textContent = "";
}

function showDone({ start, end, label, probability }) {
  const row = element("li", "");
  const share = label === NONE ? "" : percent(probability);
  row.append(element("span", `${start.toFixed(1)} to ${end.toFixed(1)} s`), element("b", label), element("span", share));
  find("done").prepend(row);
}

/** The WebSocket to the stream: joints go out, answers come back. The newest one is shown. */
class Stream {
  static newest;

  constructor(fps) {
    Stream.newest = this;
    this.lane = new Lane();
    this.missed = 0; // seconds of the last picture with somebody in it
    find("done").replaceChildren();
    const address = new URL("/api/stream", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.search = new URLSearchParams({ layout: "mediapipe33", units: "m", up: "-y", fps });
    this.socket = new WebSocket(address);
    this.opened = new Promise((done, fail) => {
      this.socket.onopen = done;
      this.socket.onerror = () => fail(new Error("jointwise does not answer. Is jointwise serve still running?"));
    });
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.closed = new Promise((done) => (this.socket.onclose = done));
  }

  hear(message) {
    if (Stream.newest !== this) return;
    if (message.error) return say(message.error, true);
    if (message.event === "segment") {
      this.lane.segment(message);
      showDone(message);
    } else {
      this.lane.window(message);
      showAnswer(message);
    }
  }

  /** Sends the joints of a picture: places in metres with their visibility, or nothing where nobody is seen. */
  push(world, seconds) {
    this.lane.advance(seconds);
    if (world) this.missed = seconds;
    else if (seconds - this.missed > 1) clearAnswer("nobody");
    if (this.socket.readyState !== WebSocket.OPEN || this.socket.bufferedAmount > MOST_WAITING) return;
    const metres = (number) => Math.round(number * 1e4) / 1e4;
    const joint = ({ x, y, z, visibility }) => ((visibility ?? 1) < SEEN ? null : [x, y, z].map(metres));
    const persons = world ? [{ id: 1, positions: world.map(joint) }] : [];
    this.socket.send(JSON.stringify({ time: Math.round(seconds * 1e4) / 1e4, persons }));
  }

  /** Ends the stream once its last answers have come. */
  async end() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ end: true }));
    else this.socket.close();
    await this.closed;
  }
}

// --- the picture --------------------------------------------------------------------------------------------------------

const video = document.querySelector("video");
const canvas = document.querySelector("canvas");

/** Draws the joints that were found over the picture. */
function draw(joints) {
  const context = canvas.getContext("2d");
  canvas.width = video.videoWidth || 640;
  canvas.height = video.videoHeight || 480;
  if (!joints) return;
  const place = (number) => [joints[number].x * canvas.width, joints[number].y * canvas.height];
  const seen = (number) => (joints[number].visibility ?? 1) >= SEEN;
  context.lineWidth = Math.max(3, canvas.width / 130);
  context.lineCap = "round";
  context.shadowColor = "#0009"; // so that it is seen on bright pictures
  context.shadowBlur = 4;
  for (const [from, to] of LIMBS) {
    if (!seen(from) || !seen(to)) continue;
    context.strokeStyle = from % 2 !== to % 2 ? "#e4e5e3" : from % 2 ? "#5aa9f2" : "#f08a42";
    context.beginPath();
    context.moveTo(...place(from));
    context.lineTo(...place(to));
    context.stroke();
  }
  context.fillStyle = "#e4e5e3";
  for (const number of HEAD.filter(seen)) {
    context.beginPath();
    context.arc(...place(number), context.lineWidth * 0.8, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Opens a camera. Throws an Error that says what to do. */
async function openCamera(id) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give a camera only to https and to the machine itself: open this page at 127.0.0.1.");
  }
  const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: id ? { ...wanted, deviceId: { exact: id } } : wanted });
  } catch (error) {
    const words = {
      NotAllowedError: "This page may not use the camera. Allow it in the address bar of the browser, then press Start.",
      NotFoundError: "There is no camera. Connect one, then press Start.",
      NotReadableError: "The camera is busy. Close the other program that uses it, then press Start.",
      OverconstrainedError: "This camera is gone. Choose another one, then press Start.",
    };
    throw new Error(words[error.name] ?? `The camera does not start: ${error.message}`);
  }
}

/** Fills the choice of cameras; their names are known once a camera may be used. */
async function listCameras(used) {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter((device) => device.kind === "videoinput");
  const options = cameras.map((camera, number) => new Option(camera.label || `camera ${number + 1}`, camera.deviceId));
  find("cameras").replaceChildren(...options);
  find("cameras").value = used;
  find("cameras").disabled = cameras.length < 2;
}

/** MediaPipe, ready; it is loaded once. Throws an Error where the browser cannot run it. */
let detector;
async function openDetector() {
  if (detector) return detector;
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Error("Your browser does not offer WebGL 2, which finding the joints needs. Switch on hardware acceleration.");
  }
  const pose = new window.Pose({ locateFile: (name) => `/camera/${name}` });
  pose.setOptions({ modelComplexity: 0, smoothLandmarks: true });
  await pose.initialize();
  return (detector = pose);
}

// --- start and stop -----------------------------------------------------------------------------------------------------

let run; // what goes on now: {camera, stream, times, taken, begin, stopped}
let idle; // settles when the detector has nothing to do

async function start() {
  const mine = (run = { times: [], begin: 0 });
  find("start").textContent = "Stop";
  find("empty").hidden = true;
  clearAnswer();
  try {
    say("Waiting for the camera …");
    mine.camera = await openCamera(find("cameras").value);
    if (mine.stopped) return release(mine);
    const [track] = mine.camera.getVideoTracks();
    track.addEventListener("ended", () => stop("The camera was disconnected.", true));
    const { deviceId, facingMode } = track.getSettings();
    find("picture").classList.toggle("mirrored", facingMode !== "environment");
    await listCameras(deviceId);
    video.srcObject = mine.camera;
    await video.play();
    say("Loading what finds your joints …");
    const pose = await openDetector();
    await idle;
    pose.reset();
    pose.onResults((found) => run === mine && see(mine, found));
    say("Getting ready: the first picture takes a while …");
    idle = look(pose, mine);
    await idle;
  } catch (error) {
    if (run === mine) await stop(error.message, true);
  }
}

/** Has the joints found in one picture after the other. */
async function look(pose, mine) {
  try {
    while (!mine.stopped) {
      mine.taken = performance.now() / 1000;
      await pose.send({ image: video });
      await nextPicture();
    }
  } catch (error) {
    detector = undefined; // it does not recover
    if (run === mine) await stop(`Finding the joints failed: ${error.message ?? error}`, true);
  }
}

const nextPicture = () =>
  new Promise((done) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(done);
    else requestAnimationFrame(done);
    setTimeout(done, 500); // where no picture comes, to see that it has been stopped
  });

/** Takes what was found in a picture: measures how many come in a second first, then lets the stream know. */
function see(mine, { poseLandmarks, poseWorldLandmarks }) {
  draw(poseLandmarks);
  mine.times.push(mine.taken);
  if (mine.stream) return mine.stream.push(poseWorldLandmarks, mine.taken - mine.begin);
  const times = mine.times.slice(1); // the first picture takes longer
  const slow = times.length >= TO_PACE.least && times.at(-1) - times[0] > TO_PACE.seconds;
  if (times.length < TO_PACE.pictures && !slow) return say("Measuring how many pictures come in a second …");
  const fps = paceOf(times);
  const rate = `${fps} picture${fps === 1 ? "" : "s"} a second`;
  mine.begin = mine.taken;
  find("pace").textContent = rate;
  mine.stream = new Stream(fps);
  mine.stream.opened.then(
    () => say(fps < ENOUGH ? `Only ${rate}: too few for fast movements. Is hardware acceleration on?` : "Running.", fps < ENOUGH),
    (error) => run === mine && stop(error.message, true),
  );
  mine.stream.closed.then(() => run === mine && stop("jointwise has ended the stream. Press Start to go on.", true));
}

/** Pictures a second, from their times: the middle of the intervals, since single ones are late. */
function paceOf(times) {
  const intervals = times.slice(1).map((time, place) => time - times[place]);
  const middle = intervals.sort((one, other) => one - other)[Math.floor(intervals.length / 2)];
  const rate = 1 / middle;
  return Math.min(60, Math.max(0.5, rate < ENOUGH ? Math.round(10 * rate) / 10 : Math.round(rate)));
}

function release(mine) {
  mine.stopped = true;
  mine.camera?.getTracks().forEach((track) => track.stop());
}

async function stop(words = "Stopped.", wrong = false) {
  const mine = run;
  run = undefined;
  if (!mine) return;
  release(mine);
  video.srcObject = null;
  draw(null);
  find("start").textContent = "Start";
  find("pace").textContent = "";
  find("empty").hidden = false;
  say(words, wrong);
  await mine.stream?.end();
}

const script = (address) =>
  new Promise((done, fail) => {
    const made = Object.assign(document.createElement("script"), { src: address, onload: done, onerror: fail });
    document.head.append(made);
  });

/** Finds out what there is: a model that names actions, and the package with the camera's files. */
async function prepare() {
  if (!["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) find("where").textContent = ` on ${location.host}`;
  const { models } = await (await fetch("/api/about")).json();
  const [model] = models;
  if (!model) return say("No model names actions here. Start the page with one: jointwise serve RUN", true);
  find("classes").textContent = `${model.name} knows: ${model.classes.join(", ")}.`;
  const missing = await fetch("/camera/pose.js");
  if (!missing.ok) return say((await missing.json()).detail, true);
  await script("/camera/pose.js");
  find("start").disabled = false;
}

find("start").addEventListener("click", () => (run ? stop() : start()));
find("cameras").addEventListener("change", async () => {
  if (!run) return;
  await stop();
  await start();
});
addEventListener("pagehide", () => stop());
const ready = prepare().catch((error) => say(`jointwise does not answer: ${error.message}`, true));

return { ready, Stream, draw };
})();
