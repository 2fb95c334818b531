"""Mutants of splits, labels, mirroring, clips, digests, stores, mapping, tracking, units and axes."""

from mutants.mutant import Mutant

AUGMENT = "data/test_augment.py"
CLIPS = "data/test_clips.py"
DATASET = "data/test_dataset.py"
SUBSET = "data/test_label_subset.py"
SET_CHECKS = "data/test_set_checks.py"
STORE = "data/store/test_store.py"
CONTENT = "data/store/test_content.py"
POOL = "data/store/test_pool.py"
MAPPING = "data/test_mapping.py"
TRACKING = "data/test_tracking.py"
CONVENTIONS = "data/test_conventions.py"

splits = [
    Mutant(
        "data/datasets/source.py",
        'assign_parts(np.isin(index["subject"], subjects))',
        'assign_parts(np.isin(index["camera"], subjects))',
        "a split by subject is one by camera",
        DATASET,
    ),
    Mutant(
        "data/datasets/source.py",
        "np.where(unlabelled & (part == TEST), np.int8(UNUSED), part)",
        "np.where(unlabelled & (part == TRAIN), np.int8(UNUSED), part)",
        "unlabelled recordings are scored and not trained on",
        "data/datasets/test_unlabelled.py",
    ),
    Mutant(
        "data/datasets/folder_splits.py",
        "chosen = known[1::2]",
        "chosen = known[::2]",
        "the subjects of the two parts are exchanged",
        "data/datasets/test_folder_splits.py",
    ),
    Mutant(
        "data/datasets/folder_splits.py",
        "train[members[:scored]] = False",
        "train[members[scored:]] = False",
        "seven tenths are scored and three are trained on",
        "data/datasets/test_folder_splits.py",
    ),
    Mutant(
        "data/datasets/ntu.py",
        "np.array(setups, int) % 2 == 0",
        "np.array(setups, int) % 2 == 1",
        "odd set-ups train, even ones are scored",
        "data/datasets/test_ntu.py",
    ),
    Mutant(
        "data/datasets/ntu.py",
        "assign_parts(train & inside, ~train & inside)",
        "assign_parts(train & inside, ~train)",
        "all test subjects are scored in the quarter",
        "data/datasets/test_ntu.py",
    ),
    Mutant(
        "data/dataset.py",
        "test = Part(store, np.flatnonzero(parts == TEST)",
        "test = Part(store, np.flatnonzero(parts != TRAIN)",
        "what is in no part is scored",
        f"data/store/test_without.py {DATASET}",
    ),
    Mutant(
        "data/store/reader.py",
        "view.parts = np.where(view.kept[:, None], self.parts, np.int8(UNUSED))",
        "view.parts = self.parts",
        "subjects that are left out are trained on",
        "data/store/test_without.py",
    ),
    Mutant(
        "data/store/reader.py",
        'np.array([*renumbered, UNKNOWN])[self.index["label"]]',
        'self.index["label"]',
        "classes keep their numbers where others are left out",
        "data/store/test_without.py",
    ),
]

labels = [
    Mutant(
        "data/label_subset.py",
        'np.random.default_rng(seed_for(seed, "labels"))',
        'np.random.default_rng(seed_for(0, "labels"))',
        "every seed has the same few labels",
        SUBSET,
    ),
    Mutant(
        "data/label_subset.py",
        "members = generator.permutation(train.ids[train.labels == label])",
        "members = train.ids[train.labels == label]",
        "the labels are always those of the first subjects",
        SUBSET,
    ),
    Mutant(
        "data/label_subset.py",
        "round((share or 0) * len(members))",
        "int((share or 0) * len(members))",
        "a share of labels is rounded down",
        SUBSET,
    ),
    Mutant(
        "data/label_subset.py",
        "    train = train.labelled\n",
        "",
        "recordings without a label are chosen as a class of their own",
        f"{SUBSET} stages/test_unlabelled.py",
    ),
    Mutant(
        "stages/label_loss.py",
        "labels[part.ids] = part.labels",
        'labels = part.store.index["label"].astype(np.int64)',
        "labels that are not to be used are known to the loss",
        "stages/test_semi.py",
    ),
    Mutant(
        "evaluation/judge.py",
        "train = extract(features, cutter, torch.from_numpy(labelled.ids), precision)",
        "train = extract(features, cutter, torch.from_numpy(dataset.train.ids[: len(labelled)]), precision)",
        "few labels are paired with the features of other clips",
        "evaluation/test_judge.py",
    ),
]

held_out = [
    Mutant(
        "data/dataset.py",
        "train=Part(self.store, self.train.ids[~held]),",
        "train=self.train,",
        "held-out subjects are trained on",
        DATASET,
    ),
    Mutant(
        "stages/pretrain.py",
        "held = np.isin(digests, digests[np.isin(train.subjects, subjects)])",
        "held = np.isin(train.subjects, subjects)",
        "copies of held-out recordings are trained on",
        "stages/test_unlabelled.py",
    ),
    Mutant(
        "stages/calibrate.py",
        "copy = _copy(run, held, replace(",
        "copy = _copy(run, dataset, replace(",
        "the copy that calibrates has learned from those it is judged on",
        "stages/test_calibrate.py",
    ),
    Mutant(
        "training/model_folder.py",
        "seen = load_trained_on(run) - set(",
        "seen = load_trained_on(run) & set(",
        "what was trained on under another split is scored",
        "evaluation/test_protocols.py",
    ),
    Mutant(
        "stages/pretrain.py",
        "            seen |= load_trained_on(start)",
        "            seen = load_trained_on(start)",
        "what a further pre-training has seen is forgotten",
        "stages/test_pretrain_further.py",
    ),
    Mutant(
        "evaluation/propagation.py",
        "centred = [some.double() - mean for some in (features, *others)]",
        "centred = [some.double() - some.double().mean(0) for some in (features, *others)]",
        "test features are centred by the other test clips",
        "evaluation/test_propagation.py",
    ),
]

mirrors = [
    Mutant(
        "data/augment.py",
        "mirrored[..., lateral] *= -1",
        "mirrored[..., lateral] *= 1",
        "left and right joints swap and the axis stays: no body",
        AUGMENT,
    ),
    Mutant(
        "data/augment.py",
        "valid.index_copy(0, clips.to(valid.device), swapped(valid))",
        "valid",
        "the mask of a mirrored clip is that of the other side",
        AUGMENT,
    ),
    Mutant(
        "data/skeletons.py",
        'return f"{_OTHER_SIDE[side]}_{rest}" if side else joint',
        "return joint",
        "left and right joints do not swap",
        "data/test_skeletons.py",
    ),
    Mutant(
        "data/clips.py",
        "chosen = of_person[:, 2] < mirror",
        "chosen = of_person[:, 2] > mirror",
        "clips are mirrored with the other probability",
        CLIPS,
    ),
    Mutant(
        "data/augment.py",
        "return about_z @ about_y @ about_x",
        "return about_x @ about_y @ about_z",
        "rotations are applied in another order",
        AUGMENT,
    ),
    Mutant(
        "data/clips.py",
        "of_person = uniform[persons.clip]",
        "of_person = uniform[(persons.clip + persons.slot) % persons.clips]",
        "persons of one clip are turned apart",
        CLIPS,
    ),
    Mutant(
        "data/augment.py",
        "changes = vectors * (factors - 1)[:, None, None, :, None]",
        "changes = vectors * factors[:, None, None, :, None]",
        "stretched bones are twice as long",
        AUGMENT,
    ),
]

clips = [
    Mutant(
        "data/clips.py",
        "centre = (torch.arange(frames) + 0.5) * share",
        "centre = torch.arange(frames) * share",
        "clips are half a frame early",
        CLIPS,
    ),
    Mutant(
        "data/clips.py",
        "half = (share / 2).clamp(min=0.5)",
        "half = torch.full_like(share, 0.5)",
        "shortened clips take single frames and no means",
        CLIPS,
    ),
    Mutant(
        "data/clips.py",
        "nearest = centre.floor().long()",
        "nearest = centre.round().long()",
        "the validity of a frame is that of a neighbour",
        CLIPS,
    ),
    Mutant(
        "data/clips.py",
        "return (lengths - kept) // 2, kept",
        "return lengths - kept, kept",
        "evaluation clips are the end of a recording",
        CLIPS,
    ),
    Mutant(
        "data/clips.py",
        "start = (uniform[:, 1] * (lengths - kept + 1)).long()",
        "start = (uniform[:, 1] * (lengths - kept)).long()",
        "the last frame is never in a random clip",
        CLIPS,
    ),
    Mutant(
        "data/clips.py",
        "start = (uniform[:, 1] * (lengths",
        "start = (uniform[:, 0] * (lengths",
        "long clips begin late: length and place share one number",
        CLIPS,
    ),
    Mutant(
        "data/clips.py",
        "positions.unflatten(2, shape).mean(3), valid.unflatten(2, shape).all(3)",
        "positions.unflatten(2, shape).mean(3), valid.unflatten(2, shape).any(3)",
        "a joint computed from a missing one is valid",
        "stages/test_transfer.py",
    ),
    Mutant(
        "data/centring.py",
        "origin = sequence.positions[main, root_frames[0], root]",
        "origin = sequence.positions[main, 0, root]",
        "the origin is a joint that was not seen",
        "data/test_centring.py",
    ),
    Mutant(
        "data/centring.py",
        "np.interp(times, known, track[known])",
        "np.interp(times, known, track[known[::-1]])",
        "gaps are filled backwards in time",
        "data/test_centring.py",
    ),
]

digests = [
    Mutant(
        "data/store/content.py",
        "    content.update(np.packbits(sequence.validity).tobytes())\n",
        "",
        "recordings that differ in what was seen are copies",
        CONTENT,
    ),
    Mutant(
        "data/frame_digests.py",
        "poses = np.where(valid[..., None], np.rint(steps / _STEP).astype(np.int64) + _OFFSET, 0)",
        "poses = np.rint(steps / _STEP).astype(np.int64) + _OFFSET",
        "a joint that is missing is one in the place of the first",
        SET_CHECKS,
    ),
    Mutant(
        "data/frame_digests.py",
        "    steps = np.where(valid[..., None], steps, 0)  # (T, M * V, C)\n",
        "",
        "what lies at places that were not seen changes a digest",
        SET_CHECKS,
    ),
    Mutant(
        "data/checks.py",
        "test[dataset.test.ids] = True",
        "test[dataset.test.ids[1:]] = True",
        "the first test sequence is no copy of anything",
        f"{DATASET} data/test_checks.py",
    ),
    Mutant(
        "data/store/reader.py",
        "for place in np.flatnonzero(test).tolist() if digests",
        "for place in np.flatnonzero(test)[1:].tolist() if digests",
        "equal recordings are not looked for at the first test sequence",
        f"{SET_CHECKS} {DATASET}",
    ),
    Mutant(
        "data/frame_digests.py",
        "found = np.flatnonzero((shared >= _FEWEST_FRAMES)",
        "found = 1 + np.flatnonzero((shared[1:] >= _FEWEST_FRAMES)",
        "pieces are not looked for in the first recording",
        SET_CHECKS,
    ),
    Mutant(
        "data/frame_digests.py",
        'last = np.searchsorted(trained["digest"], scored["digest"], "right")',
        'last = np.searchsorted(trained["digest"][:-1], scored["digest"], "right")',
        "the last training pose is not compared",
        SET_CHECKS,
    ),
    Mutant(
        "data/frame_digests.py",
        'table[train[table["sequence"]]], table[test[table["sequence"]]]',
        'table[train[table["sequence"]]], table',
        "training recordings are pieces of themselves",
        SET_CHECKS,
    ),
    Mutant(
        "data/set_checks.py",
        "train = np.array([member.part == TRAIN for member in members], bool)",
        "train = np.array([member.part != TEST for member in members], bool)",
        "recordings of no part count as trained on",
        SET_CHECKS,
    ),
]

stores = [
    Mutant(
        "data/store/content.py",
        '("frames", "persons", "label", "subject", "camera")',
        '("frames", "persons", "label", "camera")',
        "changed subjects leave the fingerprint as it was",
        CONTENT,
    ),
    Mutant(
        "data/store/content.py",
        'whole = hashlib.sha256("".join(digests).encode())',
        "whole = hashlib.sha256()",
        "changed coordinates leave the fingerprint as it was",
        CONTENT,
    ),
    Mutant(
        "data/store/reader.py",
        "        if wanted != self.fingerprint:",
        "        if len(wanted) != len(self.fingerprint):",
        "a changed index opens without a word",
        STORE,
    ),
    Mutant(
        "data/store/conversion.py",
        "    axes[2] *= np.linalg.det(axes)  # a rotation, never a mirror image\n",
        "",
        "a set with another axis up is mirrored in a pool",
        POOL,
    ),
    Mutant(
        "data/store/conversion.py",
        "frames = max(1, round(sequence.frames * FPS / sequence.fps))",
        "frames = max(1, round(sequence.frames * sequence.fps / FPS))",
        "frame rates are converted the wrong way",
        POOL,
    ),
    Mutant(
        "data/store/pool.py",
        "weights.get(source.name, math.sqrt(hour))",
        "weights.get(source.name, hour)",
        "sets of a pool are drawn by hours",
        POOL,
    ),
    Mutant(
        "evaluation/references.py",
        "dataset.skeleton.joints, labelled.names_hash]",
        "dataset.skeleton.joints]",
        "the reference of other labels is taken from the store",
        "evaluation/test_references.py",
    ),
    Mutant(
        "inference/nearest.py",
        "key.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())",
        "key.update(name.encode())",
        "features of earlier weights are searched",
        "inference/test_nearest.py",
    ),
]

mapping = [
    Mutant(
        "data/mapping.py",
        "valid[:, :, place] = sequence.validity[:, :, columns].all(2)",
        "valid[:, :, place] = sequence.validity[:, :, columns].any(2)",
        "a joint computed from a missing one is valid",
        MAPPING,
    ),
    Mutant(
        "data/mapping.py",
        "positions[:, :, place] = sequence.positions[:, :, columns].mean(2)",
        "positions[:, :, place] = sequence.positions[:, :, columns[0]]",
        "a middle joint lies at the first of its sources",
        MAPPING,
    ),
    Mutant(
        "data/mapping.py",
        "confidence[:, :, place] = sequence.confidence[:, :, columns].min(2)",
        "confidence[:, :, place] = sequence.confidence[:, :, columns].max(2)",
        "a computed joint is as sure as its surest source",
        MAPPING,
    ),
    Mutant(
        "data/mapping.py",
        "if all(names) and tuple(names) not in sources.values():",
        "if all(names):",
        "two joints are taken from one marker",
        MAPPING,
    ),
    Mutant(
        "data/sequence.py",
        "valid=np.all(self.validity[:, :, columns], axis=3),",
        "valid=np.any(self.validity[:, :, columns], axis=3),",
        "a joint computed from a missing one is valid",
        "data/test_sequence.py",
    ),
    Mutant(
        "model/tokens.py",
        'tensor[:, rows] if name.endswith("position.joint")',
        'tensor[:, : len(rows)] if name.endswith("position.joint")',
        "a transferred encoder takes the embeddings of other joints",
        "stages/test_transfer.py",
    ),
]

tracking = [
    Mutant(
        "data/tracking.py",
        "expected = self.points + self.velocity * np.float32(time - self.time)",
        "expected = self.points",
        "persons are expected where they were",
        TRACKING,
    ),
    Mutant(
        "data/tracking.py",
        "self.velocity = _blend(self.velocity, _mean(points - self.points) / passed, _VELOCITY_MEMORY)",
        "self.velocity = _blend(self.velocity, _mean(points - self.points), _VELOCITY_MEMORY)",
        "persons are too fast after a gap",
        TRACKING,
    ),
    Mutant(
        "data/tracking.py",
        "if time - track.time <= self._longest_gap}",
        "if time - track.time < self._longest_gap}",
        "who comes back at the end of the gap is another person",
        TRACKING,
    ),
    Mutant(
        "data/tracking.py",
        "+ _BONE_WEIGHT * np.nan_to_num(build))",
        "- _BONE_WEIGHT * np.nan_to_num(build))",
        "persons of another build are preferred",
        TRACKING,
    ),
    Mutant(
        "data/tracking.py",
        "for pair in pairs]) / self._size",
        "for pair in pairs])",
        "persons in pixels are all too far away",
        TRACKING,
    ),
    Mutant(
        "data/tracking.py",
        "(times < shortest) & (times < _GHOST_SHARE * len(slots)) & (times < times.max(initial=0))",
        "(times < shortest) & (times < times.max(initial=0))",
        "persons of short recordings are ghosts",
        TRACKING,
    ),
]

conventions = [
    Mutant(
        "data/conventions.py",
        "factor = METRES[own] / METRES[units]",
        "factor = METRES[units] / METRES[own]",
        "units are converted the wrong way",
        CONVENTIONS,
    ),
    Mutant(
        "data/conventions.py",
        "matrix[old, new] = -old_sign * new_sign",
        "matrix[old, new] = old_sign * new_sign",
        "a turned recording is mirrored",
        CONVENTIONS,
    ),
    Mutant(
        "data/conventions.py",
        "positions = sequence.positions @ matrix.T",
        "positions = sequence.positions @ matrix",
        "a recording is turned the other way",
        CONVENTIONS,
    ),
    Mutant(
        "data/conventions.py",
        "sign = 1 if total[axis] > 0 else -1",
        "sign = 1",
        "bodies upside down are not turned",
        CONVENTIONS,
    ),
    Mutant(
        "training/coordinate_scale.py",
        "[valid[:, 1:] & valid[:, :-1]]",
        "[valid[:, 1:] | valid[:, :-1]]",
        "filled frames count for the unit of motion",
        "training/test_coordinate_scale.py",
    ),
    Mutant(
        "training/coordinate_scale.py",
        "weights = _frequencies(part)\n    return math.sqrt(",
        "weights = np.ones(len(totals))\n    return math.sqrt(",
        "a large set of a pool decides the unit alone",
        "stages/test_pools.py",
    ),
]
