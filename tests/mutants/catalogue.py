"""All mutants, by what they are about."""

from mutants import of_data, of_evaluation, of_model, of_training
from mutants.mutant import Mutant

AREAS: dict[str, list[Mutant]] = {
    "masks": of_model.masks,
    "losses": of_model.losses,
    "teachers": of_model.teachers,
    "pooling": of_model.pooling,
    "pseudo-labels": of_model.pseudo_labels,
    "splits": of_data.splits,
    "labels": of_data.labels,
    "held-out": of_data.held_out,
    "mirrors": of_data.mirrors,
    "clips": of_data.clips,
    "digests": of_data.digests,
    "stores": of_data.stores,
    "mapping": of_data.mapping,
    "tracking": of_data.tracking,
    "units": of_data.conventions,
    "seeds": of_training.seeds,
    "resume": of_training.resume,
    "optimiser": of_training.optimiser,
    "metrics": of_evaluation.metrics,
    "statistics": of_evaluation.statistics,
    "calibration": of_evaluation.calibration,
    "timelines": of_evaluation.timelines,
    "exported": of_evaluation.exported,
}
