"""Peaks, and shares of them."""

from __future__ import annotations

import pytest
import torch

from bench.gpu_peaks import DATA_SHEETS, Peak, peak_of, product_peak

CPU = torch.device("cpu")


def test_a_share_is_of_the_operations_that_the_peak_could_have_done() -> None:
    assert Peak(100.0, "a paper").share(flops=25e12, seconds=0.5) == pytest.approx(0.5)


def test_where_no_data_sheet_is_known_the_products_figure_is_taken() -> None:
    product = product_peak(CPU, repetitions=1)
    assert peak_of(CPU, product) is product
    assert "2048 x 2048" in product.source
    assert 0.001 < product.tflops < 50


def test_the_facts_limit_of_the_h100_is_that_of_its_data_sheet() -> None:
    frame = 177.8e9 + 622.2e9
    assert DATA_SHEETS["NVIDIA H100 80GB HBM3"][0] * 1e12 / frame == pytest.approx(1236, abs=1)
