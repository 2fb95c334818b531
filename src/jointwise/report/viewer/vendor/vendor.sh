#!/bin/sh
# Makes three.min.js and three.LICENSE beside this file: the parts of three.js that viewer.js uses, as one script that
# sets the global THREE. Needs node and npm; run it again after changing a version or a name below, and copy the
# version into NOTICE.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(mktemp -d)
trap 'rm -r "$build"' EXIT
cd "$build"
cat > entry.js <<'JS'
export {
  Color, CylinderGeometry, DirectionalLight, DynamicDrawUsage, GridHelper, HemisphereLight, InstancedMesh, Matrix4,
  MeshBasicMaterial, MeshLambertMaterial, PerspectiveCamera, Quaternion, Scene, SphereGeometry, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
JS
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund --save-exact three@0.187.0 esbuild@0.28.2
npx esbuild entry.js --bundle --minify --format=iife --global-name=THREE --legal-comments=eof --outfile=three.min.js
cp three.min.js "$here/three.min.js"
cp node_modules/three/LICENSE "$here/three.LICENSE"
