"""Labelled pictures from disk, by the name of their data set."""

from diffusion.datasets.idx import FASHION_CLASSES
from diffusion.datasets.loading import KINDS, load_dataset
from diffusion.datasets.shrinking import shrink
from diffusion.datasets.splits import Dataset, Split

__all__ = ["FASHION_CLASSES", "KINDS", "Dataset", "Split", "load_dataset", "shrink"]
