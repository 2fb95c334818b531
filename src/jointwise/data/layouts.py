"""The shipped joint layouts as tables: the joints in the order of the files, and the bones from parent to child.

A table of bones has one chain a line: `hip knee ankle` stands for the bones hip-knee and knee-ankle.

The same place of the body has the same name in every layout, so that joints of two layouts can be matched by name.
`spine_shoulder` is the middle between the shoulders (the neck of OpenPose, Halpe and SBU, the thorax of Human3.6M),
`spine_base` the middle between the hips, `head` the middle of the head, `head_top` its top.
"""

from __future__ import annotations

from itertools import pairwise


def _joints(table: str) -> tuple[str, ...]:
    """The names in a table, line by line."""
    return tuple(table.split())


def _bones(table: str) -> tuple[tuple[str, str], ...]:
    """The (parent, child) pairs of the chains in a table, line by line."""
    return tuple(bone for chain in table.splitlines() for bone in pairwise(chain.split()))


MIDDLES = {  # joint -> the joints whose middle it is, or in the case of spine_mid nearly is
    "spine_base": ("left_hip", "right_hip"),
    "spine_shoulder": ("left_shoulder", "right_shoulder"),
    "spine_mid": ("left_hip", "right_hip", "left_shoulder", "right_shoulder"),
}

# Kinect v2, in the order of the NTU RGB+D files (Shahroudy et al., CVPR 2016).
NTU25_JOINTS = _joints("""
    spine_base spine_mid neck head
    left_shoulder left_elbow left_wrist left_hand
    right_shoulder right_elbow right_wrist right_hand
    left_hip left_knee left_ankle left_foot
    right_hip right_knee right_ankle right_foot
    spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb
""")
NTU25_BONES = _bones("""
    spine_mid spine_base
    spine_mid spine_shoulder neck head
    spine_shoulder left_shoulder left_elbow left_wrist left_hand
    spine_base left_hip left_knee left_ankle left_foot
    left_hand left_hand_tip
    left_wrist left_thumb
    spine_shoulder right_shoulder right_elbow right_wrist right_hand
    spine_base right_hip right_knee right_ankle right_foot
    right_hand right_hand_tip
    right_wrist right_thumb
""")

# Kinect v1, in the order of UTD-MHAD (Chen et al., ICIP 2015). The joints have the names of their Kinect v2
# counterparts: shoulder_center -> spine_shoulder, spine -> spine_mid, hip_center -> spine_base.
KINECT20_JOINTS = _joints("""
    head spine_shoulder spine_mid spine_base
    left_shoulder left_elbow left_wrist left_hand
    right_shoulder right_elbow right_wrist right_hand
    left_hip left_knee left_ankle left_foot
    right_hip right_knee right_ankle right_foot
""")
KINECT20_BONES = _bones("""
    spine_mid spine_base
    spine_mid spine_shoulder head
    spine_shoulder left_shoulder left_elbow left_wrist left_hand
    spine_base left_hip left_knee left_ankle left_foot
    spine_shoulder right_shoulder right_elbow right_wrist right_hand
    spine_base right_hip right_knee right_ankle right_foot
""")

# OpenNI, in the order of the SBU Kinect Interaction data set (Yun et al., CVPRW 2012). Its neck lies exactly between
# the shoulders, its torso between neck and hips.
SBU15_JOINTS = _joints("""
    head spine_shoulder spine_mid
    left_shoulder left_elbow left_hand
    right_shoulder right_elbow right_hand
    left_hip left_knee left_foot
    right_hip right_knee right_foot
""")
SBU15_BONES = _bones("""
    spine_mid spine_shoulder head
    spine_shoulder left_shoulder left_elbow left_hand
    spine_mid left_hip left_knee left_foot
    spine_shoulder right_shoulder right_elbow right_hand
    spine_mid right_hip right_knee right_foot
""")

# COCO (Lin et al., ECCV 2014): what PYSKL's 2D poses and most detectors give.
COCO17_JOINTS = _joints("""
    nose left_eye right_eye left_ear right_ear
    left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
    left_hip right_hip left_knee right_knee left_ankle right_ankle
""")
COCO17_BONES = _bones("""
    nose left_eye left_ear
    nose left_shoulder left_elbow left_wrist
    left_shoulder left_hip left_knee left_ankle
    nose right_eye right_ear
    nose right_shoulder right_elbow right_wrist
    right_shoulder right_hip right_knee right_ankle
""")

# The 17 of Human3.6M's 32 joints (Ionescu et al., TPAMI 2014) that methods of lifting 2D to 3D keep.
H36M17_JOINTS = _joints("""
    spine_base right_hip right_knee right_ankle left_hip left_knee left_ankle
    spine_mid spine_shoulder neck head_top
    left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist
""")
H36M17_BONES = _bones("""
    spine_base spine_mid spine_shoulder neck head_top
    spine_shoulder left_shoulder left_elbow left_wrist
    spine_base left_hip left_knee left_ankle
    spine_shoulder right_shoulder right_elbow right_wrist
    spine_base right_hip right_knee right_ankle
""")

# OpenPose's COCO model (Cao et al., TPAMI 2019).
OPENPOSE18_JOINTS = _joints("""
    nose spine_shoulder
    right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist
    right_hip right_knee right_ankle left_hip left_knee left_ankle
    right_eye left_eye right_ear left_ear
""")
OPENPOSE18_BONES = _bones("""
    spine_shoulder nose
    nose left_eye left_ear
    spine_shoulder left_shoulder left_elbow left_wrist
    spine_shoulder left_hip left_knee left_ankle
    nose right_eye right_ear
    spine_shoulder right_shoulder right_elbow right_wrist
    spine_shoulder right_hip right_knee right_ankle
""")

# OpenPose's BODY_25: 25 joints as NTU RGB+D has, but other joints in another order.
BODY25_JOINTS = _joints("""
    nose spine_shoulder
    right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist
    spine_base
    right_hip right_knee right_ankle left_hip left_knee left_ankle
    right_eye left_eye right_ear left_ear
    left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel
""")
BODY25_BONES = _bones("""
    spine_base spine_shoulder nose
    nose left_eye left_ear
    spine_shoulder left_shoulder left_elbow left_wrist
    spine_base left_hip left_knee left_ankle
    left_ankle left_big_toe
    left_ankle left_small_toe
    left_ankle left_heel
    nose right_eye right_ear
    spine_shoulder right_shoulder right_elbow right_wrist
    spine_base right_hip right_knee right_ankle
    right_ankle right_big_toe
    right_ankle right_small_toe
    right_ankle right_heel
""")

# OpenPose's BODY_25B: COCO's joints come first. Its neck is the lower neck, and it has no middle of the hips.
BODY25B_JOINTS = _joints("""
    nose left_eye right_eye left_ear right_ear
    left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
    left_hip right_hip left_knee right_knee left_ankle right_ankle
    neck head_top
    left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel
""")
BODY25B_BONES = _bones("""
    neck nose
    neck head_top
    nose left_eye left_ear
    neck left_shoulder left_elbow left_wrist
    left_shoulder left_hip left_knee left_ankle
    left_ankle left_big_toe
    left_ankle left_small_toe
    left_ankle left_heel
    nose right_eye right_ear
    neck right_shoulder right_elbow right_wrist
    right_shoulder right_hip right_knee right_ankle
    right_ankle right_big_toe
    right_ankle right_small_toe
    right_ankle right_heel
""")

# Halpe: what AlphaPose and RTMPose give (Fang et al., TPAMI 2022). COCO's joints come first.
HALPE26_JOINTS = _joints("""
    nose left_eye right_eye left_ear right_ear
    left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
    left_hip right_hip left_knee right_knee left_ankle right_ankle
    head_top spine_shoulder spine_base
    left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel
""")
HALPE26_BONES = _bones("""
    spine_base spine_shoulder nose
    spine_shoulder head_top
    nose left_eye left_ear
    spine_shoulder left_shoulder left_elbow left_wrist
    spine_base left_hip left_knee left_ankle
    left_ankle left_big_toe
    left_ankle left_small_toe
    left_ankle left_heel
    nose right_eye right_ear
    spine_shoulder right_shoulder right_elbow right_wrist
    spine_base right_hip right_knee right_ankle
    right_ankle right_big_toe
    right_ankle right_small_toe
    right_ankle right_heel
""")

# MediaPipe's pose landmarks (Bazarevsky et al., BlazePose, CVPRW 2020).
MEDIAPIPE33_JOINTS = _joints("""
    nose
    left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer
    left_ear right_ear left_mouth right_mouth
    left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist
    left_pinky right_pinky left_index right_index left_thumb right_thumb
    left_hip right_hip left_knee right_knee left_ankle right_ankle
    left_heel right_heel left_foot_index right_foot_index
""")
MEDIAPIPE33_BONES = _bones("""
    nose left_eye_inner left_eye left_eye_outer left_ear
    nose left_mouth
    nose left_shoulder left_elbow left_wrist
    left_wrist left_pinky
    left_wrist left_index
    left_wrist left_thumb
    left_shoulder left_hip left_knee left_ankle
    left_ankle left_heel
    left_ankle left_foot_index
    nose right_eye_inner right_eye right_eye_outer right_ear
    nose right_mouth
    nose right_shoulder right_elbow right_wrist
    right_wrist right_pinky
    right_wrist right_index
    right_wrist right_thumb
    right_shoulder right_hip right_knee right_ankle
    right_ankle right_heel
    right_ankle right_foot_index
""")
