"""The synthetic data set: 24 actions of daily life, by 40 simulated people in front of three simulated cameras."""

from jointwise.data.synthetic.generate import VERSION, Performance, fingerprint, generate, perform, write_files
from jointwise.data.synthetic.library import ACTIONS

__all__ = ["ACTIONS", "VERSION", "Performance", "fingerprint", "generate", "perform", "write_files"]
