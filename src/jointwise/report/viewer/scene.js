// Decodes the clips of a viewer and draws their panels side by side with three.js; viewer.js moves them.
const SkeletonStage = (() => {
"use strict";
const LEVELS = 32767; // a coordinate k stands for low + (k + LEVELS) * step
const FAINT = 0.28; // share of its colour that a missing joint keeps
const GHOST = 0.16; // share of its colour that a joint hidden from the student keeps
const SHADES = 20; // of the colours of weights
const UP = new THREE.Vector3(0, 1, 0);

// --- decoding -------------------------------------------------------------------------------------------------------

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** base64 bits, lowest first -> one byte per place; null means that all are set. */
function maskOf(text, count) {
  if (text === null) return new Uint8Array(count).fill(1);
  const bytes = bytesOf(text);
  return Uint8Array.from({ length: count }, (_, place) => (bytes[place >> 3] >> (place & 7)) & 1);
}

function numbersOf(text, low, step) {
  const view = new DataView(bytesOf(text).buffer);
  const count = view.byteLength / 2;
  return Float32Array.from({ length: count }, (_, k) => low + (view.getInt16(2 * k, true) + LEVELS) * step);
}

/** The panels of a clip with positions [person, frame, joint, xyz] and masks [person, frame, joint], all flat. */
function decode(clip, skeletons) {
  const arrays = clip.arrays.map((text) => numbersOf(text, clip.low, clip.step));
  return clip.panels.map((panel) => {
    const skeleton = skeletons[panel.skeleton];
    const positions = arrays[panel.array];
    const places = positions.length / 3;
    return {
      title: panel.title,
      hiding: panel.hiding,
      weights: panel.weights,
      skeleton,
      positions,
      persons: places / clip.frames / skeleton.joints.length,
      valid: maskOf(panel.valid, places),
      shown: maskOf(panel.shown, places),
    };
  });
}

// --- drawing --------------------------------------------------------------------------------------------------------

/** The largest of 1, 2, 5, 10, 20 … (or 0.5, 0.2 …) that is not above a value. */
function roundBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [5, 2, 1].find((factor) => factor * power <= value * 1.0001);
}

/** The colours of the style sheet, as they are now. */
function readColours(root) {
  const style = getComputedStyle(root);
  const colour = (name) => new THREE.Color(style.getPropertyValue(`--sv-${name}`).trim());
  const sides = (end) => ["centre", "left", "right"].map((side) => colour(side + end));
  return {
    panel: colour("panel"), line: colour("line"), grid: colour("grid"), shadow: colour("shadow"),
    persons: [sides(""), sides("-2")],
    weights: [colour("light"), colour("heavy")],
  };
}

/** Instances of one shape in the scene, and their shadow: the same instances, flattened onto the floor. */
class Instances {
  constructor(scene, geometry, count, floor) {
    this.mesh = new THREE.InstancedMesh(geometry, new THREE.MeshLambertMaterial(), Math.max(count, 1));
    this.shadow = new THREE.InstancedMesh(geometry, new THREE.MeshBasicMaterial(), Math.max(count, 1));
    this.mesh.instanceMatrix.setUsage(THREE.DynamicDrawUsage);
    this.shadow.instanceMatrix = this.mesh.instanceMatrix;
    this.shadow.scale.y = 1e-4;
    this.shadow.position.y = floor;
    this.shadow.renderOrder = -1;
    this.shadow.material.depthWrite = false;
    for (const mesh of [this.mesh, this.shadow]) {
      mesh.frustumCulled = false;
      mesh.count = count;
      scene.add(mesh);
    }
  }

  set(place, matrix, colour) {
    this.mesh.setMatrixAt(place, matrix);
    if (colour) this.mesh.setColorAt(place, colour);
  }

  send() {
    this.mesh.instanceMatrix.needsUpdate = true;
    if (this.mesh.instanceColor) this.mesh.instanceColor.needsUpdate = true;
  }

  dispose() {
    this.mesh.material.dispose();
    this.shadow.material.dispose();
    this.mesh.geometry.dispose();
    this.mesh.dispose();
    this.shadow.dispose();
  }
}

/** One panel of a clip as a scene. */
class PanelScene {
  constructor(panel, clip, colours, asBody) {
    Object.assign(this, { panel, clip, colours });
    const [low, high] = clip.box;
    const size = clip.size;
    const scene = (this.scene = new THREE.Scene());
    scene.add(new THREE.HemisphereLight(0xffffff, 0x9a9a9a, 2.3));
    const sun = new THREE.DirectionalLight(0xffffff, 1.5);
    sun.position.set(-0.5, 1.5, 1);
    scene.add(sun);
    this.addFloor(low, high, size);
    const joints = panel.persons * panel.skeleton.joints.length;
    this.joints = new Instances(scene, new THREE.SphereGeometry(1, 20, 14), joints, low[1]);
    this.jointRadius = 0.016 * size;
    this.radii = panel.skeleton.balls.map((share) => (asBody ? share * clip.stature : this.jointRadius));
    if (!asBody && panel.skeleton.head !== null && panel.skeleton.bones.length) {
      this.radii[panel.skeleton.head] = 0.05 * size;
    }
    this.addBones((bone) => panel.skeleton.thickness[bone].map((share) => (asBody ? share * clip.stature : 0.0115 * size)));
    this.paint(colours);
  }

  /** Bones of the same thickness at both ends, (bone) -> [first, last], are instances of one shape. */
  addBones(thickness) {
    const { skeleton, persons } = this.panel;
    const shapes = new Map();
    this.bonePlaces = skeleton.bones.map((_, bone) => {
      const key = thickness(bone).join();
      if (!shapes.has(key)) shapes.set(key, { bone, count: 0 });
      const shape = shapes.get(key);
      shape.count += persons;
      return [key, shape.count - persons];
    });
    this.bones = new Map();
    for (const [key, { bone, count }] of shapes) {
      const [first, last] = thickness(bone);
      const shape = new THREE.CylinderGeometry(last, first, 1, 20, 1);
      this.bones.set(key, new Instances(this.scene, shape, count, this.clip.box[0][1]));
    }
  }

  addFloor(low, high, size) {
    const cell = roundBelow(0.35 * size);
    const reach = Math.max(high[0] - low[0], high[2] - low[2]) + size;
    const cells = Math.min(40, 2 * Math.ceil(reach / cell / 2));
    this.grid = new THREE.GridHelper(cells * cell, cells);
    this.grid.material.vertexColors = false;
    this.grid.position.set((low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2);
    this.grid.renderOrder = -2;
    this.scene.add(this.grid);
  }

  paint(colours) {
    this.colours = colours;
    this.grid.material.color.copy(colours.grid);
    this.joints.shadow.material.color.copy(colours.shadow);
    for (const bones of this.bones.values()) bones.shadow.material.color.copy(colours.shadow);
    const tonesOf = (full) => {
      const mixed = (share) => full.map((colour) => colours.panel.clone().lerp(colour, share));
      return { full, faint: mixed(FAINT), ghost: mixed(GHOST) };
    };
    this.tones = colours.persons.map(tonesOf);
    this.heat = tonesOf(Array.from({ length: SHADES + 1 }, (_, shade) => {
      const [light, heavy] = colours.weights;
      return light.clone().lerp(heavy, shade / SHADES);
    }));
  }

  /** The colour of a joint, or of a bone between two: by their weight where the panel has weights, else by their side. */
  colourOf(person, shade, from, to = from) {
    const { skeleton, weights } = this.panel;
    if (weights) return this.heat[shade][Math.round((SHADES * (weights[from] + weights[to])) / 2)];
    const [start, end] = [skeleton.sides[from], skeleton.sides[to]];
    const side = start && end && start !== end ? 0 : end || start; // a line from left to right is trunk
    return this.tones[person % this.tones.length][shade][side];
  }

  /** Places all joints and bones for a time in frames; between two frames they are interpolated linearly. */
  update(time) {
    const { positions, shown, valid, skeleton, persons } = this.panel;
    const frames = this.clip.frames;
    const count = skeleton.joints.length;
    const frame = Math.min(Math.floor(time), frames - 1);
    const next = Math.min(frame + 1, frames - 1);
    const matrix = new THREE.Matrix4();
    const nothing = new THREE.Matrix4().makeScale(0, 0, 0);
    const points = skeleton.joints.map(() => new THREE.Vector3());
    const later = new THREE.Vector3();
    this.drawn = { joints: 0, faint: 0, bones: 0 };
    for (let person = 0; person < persons; person++) {
      const first = (person * frames + frame) * count;
      const second = (person * frames + next) * count;
      for (let joint = 0; joint < count; joint++) {
        const point = points[joint].fromArray(positions, 3 * (first + joint));
        if (shown[second + joint]) point.lerp(later.fromArray(positions, 3 * (second + joint)), time - frame);
        const [radius, shade] = this.jointLook(first + joint, joint);
        matrix.makeScale(radius, radius, radius).setPosition(point);
        this.joints.set(person * count + joint, matrix, this.colourOf(person, shade, joint));
        if (shade !== "ghost") this.drawn.joints++;
        if (shade === "faint") this.drawn.faint++;
      }
      skeleton.bones.forEach(([from, to], bone) => {
        const [shape, place] = this.bonePlaces[bone];
        const bones = this.bones.get(shape);
        if (!shown[first + from] || !shown[first + to]) return bones.set(place + person, nothing);
        const certain = valid[first + from] && valid[first + to];
        this.placeBone(matrix, points[from], points[to], certain ? 1 : 0.7);
        bones.set(place + person, matrix, this.colourOf(person, certain ? "full" : "faint", from, to));
        this.drawn.bones++;
      });
    }
    this.joints.send();
    this.bones.forEach((bones) => bones.send());
  }

  /** Radius and tone of a joint: full, faint where it is missing, a dot where it is hidden from the student. */
  jointLook(place, joint) {
    const radius = this.radii[joint] + 0.6 * this.jointRadius * (this.panel.weights?.[joint] ?? 0);
    if (!this.panel.shown[place]) return [this.panel.hiding ? 0.4 * this.jointRadius : 0, "ghost"];
    return this.panel.valid[place] ? [radius, "full"] : [0.85 * radius, "faint"];
  }

  placeBone(matrix, from, to, share) {
    const along = to.clone().sub(from);
    const length = Math.max(along.length(), 1e-9);
    const turn = new THREE.Quaternion().setFromUnitVectors(UP, along.divideScalar(length));
    matrix.compose(from.clone().add(to).multiplyScalar(0.5), turn, new THREE.Vector3(share, length, share));
  }

  dispose() {
    this.joints.dispose();
    this.bones.forEach((bones) => bones.dispose());
    this.grid.dispose();
  }
}

/** Canvas and camera of a viewer: draws the panels of a clip side by side, each into its cell of the page. */
class Stage {
  constructor(root, changed) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.cells = root.querySelector(".sv-cells");
    this.scenes = [];
    this.asBody = false;
    const context = this.canvas.getContext("webgl2", { antialias: true });
    if (!context) throw new Error("no WebGL 2");
    this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, context, antialias: true });
    this.renderer.autoClear = false;
    this.camera = new THREE.PerspectiveCamera(28, 1, 0.1, 100);
    this.controls = new THREE.OrbitControls(this.camera, this.canvas);
    this.canvas.style.touchAction = "pan-y"; // a finger that moves up or down scrolls the page
    this.controls.addEventListener("start", () => (this.moved = true));
    this.controls.addEventListener("change", changed);
    this.colours = readColours(root);
    this.watch = new ResizeObserver(() => {
      this.resize();
      changed();
    });
    this.watch.observe(this.cells);
  }

  close() {
    this.watch.disconnect();
    this.controls.dispose();
    this.scenes.forEach((scene) => scene.dispose());
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }

  show(panels, clip) {
    Object.assign(this, { panels, clip });
    this.build();
    this.reset();
  }

  /** Draws persons as bodies of capsules, or as joints and bones. */
  showBodies(on) {
    this.asBody = on;
    this.build();
  }

  build() {
    this.scenes.forEach((scene) => scene.dispose());
    this.scenes = this.panels.map((panel) => new PanelScene(panel, this.clip, this.colours, this.asBody));
  }

  repaint() {
    this.colours = readColours(this.root);
    this.scenes.forEach((scene) => scene.paint(this.colours));
  }

  resize() {
    const { width, height } = this.cells.getBoundingClientRect();
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.setSize(Math.max(width, 1), Math.max(height, 1), false);
    if (!this.moved) this.reset();
  }

  /** Puts the camera a little above the sensor's place, at a distance where the box of the clip fits into a panel. */
  reset() {
    if (!this.clip || !this.cells.firstElementChild) return;
    this.moved = false;
    const sizes = [...this.cells.children].map((cell) => cell.getBoundingClientRect());
    const [width, height] = ["width", "height"].map((side) => Math.min(...sizes.map((size) => size[side])));
    const [low, high] = this.clip.box.map((corner) => new THREE.Vector3(...corner));
    const margin = 0.06 * this.clip.size;
    const target = low.clone().add(high).multiplyScalar(0.5);
    const back = new THREE.Vector3(0, 0.2, 1).normalize();
    const right = new THREE.Vector3(1, 0, 0);
    const up = new THREE.Vector3().crossVectors(back, right);
    const tall = Math.tan((this.camera.fov * Math.PI) / 360);
    const wide = (tall * width) / Math.max(height, 1);
    let distance = 0;
    for (let corner = 0; corner < 8; corner++) {
      const point = new THREE.Vector3(...[0, 1, 2].map((axis) => [low, high][(corner >> axis) & 1].getComponent(axis)));
      point.sub(target);
      const across = (Math.abs(point.dot(right)) + margin) / wide;
      const above = (Math.abs(point.dot(up)) + margin) / (tall * 0.9); // leaves room for the panel's title
      distance = Math.max(distance, point.dot(back) + Math.max(across, above));
    }
    target.addScaledVector(up, 0.04 * distance * tall);
    this.controls.target.copy(target);
    this.camera.position.copy(target).addScaledVector(back, distance);
    this.camera.near = distance / 100;
    this.camera.far = distance * 20;
    this.controls.minDistance = distance / 10;
    this.controls.maxDistance = distance * 5;
    this.controls.update();
  }

  draw(time) {
    const whole = this.cells.getBoundingClientRect();
    if (!whole.width) return;
    const renderer = this.renderer;
    renderer.setScissorTest(false);
    renderer.setClearColor(this.colours.line, 1);
    renderer.clear();
    renderer.setScissorTest(true);
    this.scenes.forEach((scene, index) => {
      const cell = this.cells.children[index].getBoundingClientRect();
      const [left, right] = [cell.left, cell.right].map((edge) => Math.round(edge - whole.left));
      const [bottom, top] = [cell.bottom, cell.top].map((edge) => Math.round(whole.bottom - edge));
      const place = [left, bottom, right - left, top - bottom];
      renderer.setViewport(...place);
      renderer.setScissor(...place);
      renderer.setClearColor(this.colours.panel, 1);
      renderer.clear();
      this.camera.aspect = cell.width / cell.height;
      this.camera.updateProjectionMatrix();
      scene.update(time);
      renderer.render(scene.scene, this.camera);
    });
  }
}

return { Stage, decode };
})();
