from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion.metrics import (
    FloatArray,
    GaussianReference,
    diversity,
    frechet_distance,
    kernel_distance,
    psnr,
    ssim,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def whitened(rng: np.random.Generator, count: int, size: int) -> FloatArray:
    """Features whose sample mean is 0 and sample covariance 1, exactly."""
    rows = rng.standard_normal((count, size))
    rows -= rows.mean(axis=0)
    return rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T


def test_frechet_closed_form_of_commuting_gaussians(rng: np.random.Generator) -> None:
    unit = whitened(rng, 200, 3)
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5])
    shift = np.array([0.3, -1.0, 0.0])
    expected = (shift**2).sum() + ((a - b) ** 2).sum()
    assert frechet_distance(unit * a + shift, unit * b) == pytest.approx(expected, rel=1e-9)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    assert frechet_distance((unit * a + shift) @ turn, (unit * b) @ turn) == pytest.approx(expected)


def test_frechet_of_gaussians_that_do_not_commute(rng: np.random.Generator) -> None:
    from scipy.linalg import sqrtm

    a, b = rng.standard_normal((90, 4)) @ rng.standard_normal((4, 4)), rng.standard_normal((80, 4))
    sa, sb = np.cov(a.T), np.cov(b.T)
    shift = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = shift + np.trace(sa + sb - 2 * sqrtm(sa @ sb).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(torch.tensor(a), torch.tensor(b)) == pytest.approx(expected, rel=1e-8)


def test_frechet_of_equal_and_of_degenerate_clouds(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((50, 5))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    dead = np.concatenate([rows, np.zeros((50, 3))], axis=1)
    assert frechet_distance(dead + 1, dead) == pytest.approx(8, rel=1e-6)


def test_influence_is_the_derivative(rng: np.random.Generator) -> None:
    reference = GaussianReference.of(rng.standard_normal((300, 4)))
    rows = rng.standard_normal((400, 4)) * 1.3 + 0.2
    influence = reference.influence(rows)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    counts = np.ones(400, dtype=np.int64)
    counts[:5] += [3, 0, 1, 0, 2]
    counts[10:16] = 0
    actual = reference.distance(np.repeat(rows, counts, axis=0)) - reference.distance(rows)
    assert counts @ influence / 400 == pytest.approx(actual, rel=0.1)


def test_kernel_distance_by_hand_and_unbiased(rng: np.random.Generator) -> None:
    a, b = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0]])
    # k(x, y) = (x y + 1)^3: within a 1, within b 1, between 1, 1, 27, 1.
    assert kernel_distance(a, b) == pytest.approx(1 + 1 - 2 * 30 / 4)
    draws = [kernel_distance(*rng.standard_normal((2, 30, 3))) for _ in range(400)]
    assert abs(np.mean(draws)) < 5 * np.std(draws) / 20
    assert kernel_distance(rng.standard_normal((50, 3)) + 1, rng.standard_normal((50, 3))) > 0.5


def test_diversity_is_that_computed_by_hand() -> None:
    features = torch.tensor([[0.0, 0], [3, 4], [1, 1], [1, 1], [1, 2], [9, 9]])
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    assert diversity(features, labels) == pytest.approx((5 + 2 / 3) / 2)
    with pytest.raises(ValueError, match="no class has two"):
        diversity(features[:2], torch.tensor([0, 1]))


def test_psnr_is_that_computed_by_hand() -> None:
    images = torch.zeros(3, 1, 12, 12)
    references = images + torch.tensor([0.1, 1.0, 0.0]).reshape(3, 1, 1, 1)
    assert psnr(images, references).tolist() == pytest.approx([20.0, 0.0, float("inf")], abs=1e-4)


def test_ssim_of_flat_pictures_is_the_closed_form() -> None:
    a, b = (torch.full((1, 3, 16, 16), v, dtype=torch.float64) for v in (0.2, 0.7))
    expected = (2 * 0.2 * 0.7 + 1e-4) / (0.2**2 + 0.7**2 + 1e-4)
    assert ssim(a.float(), b.float()).item() == pytest.approx(expected, abs=1e-3)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_agrees_with_scipys_filter(rng: np.random.Generator) -> None:
    from scipy.ndimage import correlate

    a = rng.random((24, 20))
    b = np.clip(a + 0.2 * rng.standard_normal(a.shape), 0, 1)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(x: FloatArray) -> FloatArray:
        return correlate(x, window)[5:-5, 5:-5]

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = 1e-4, 9e-4
    expected = (
        (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    ).mean()
    measured = ssim(*(torch.tensor(x)[None, None] for x in (a, b)))
    assert measured.item() == pytest.approx(expected, abs=1e-10)
    assert ssim(torch.tensor(a)[None, None], torch.tensor(a)[None, None]).item() == pytest.approx(1)


def test_pictures_and_features_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="twice"):
        psnr(torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="one classifier"):
        frechet_distance(rng.random((5, 3)), rng.random((5, 4)))
    with pytest.raises(ValueError, match="N at least 2"):
        frechet_distance(rng.random((1, 3)), rng.random((5, 3)))
