"""New rows against a reference: equal for its own rows, and no influence of the batch."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data_cards.errors import BadInputError
from scoring.pool import add_columns, open_pool
from scoring.reference import Reference, score_against
from scoring.reference.neighbours import nearest_in
from scoring.reference.pool_metrics import form_of
from scoring.run import Run

PLAIN = ("nearest_distance", "local_density", "boilerplate", "boilerplate_share")


def like(world, rows, reference, metrics, folder: Path, write, ids=None) -> Run:
    write(folder, world, rows, ids)
    score_against(folder, metrics, reference, lambda *_: None)
    return Run(folder, {})


@pytest.mark.parametrize("rows", ["all", "half", "single"])
def test_the_reference_s_own_rows_have_its_numbers(
    world, make_run, rows_written, pool_metrics, tmp_path, rows
):
    run = make_run(world, range(60))
    reference = Reference(run)
    rng = np.random.default_rng(1)
    drawn = {"all": range(60), "half": rng.permutation(60)[:30], "single": [11]}[rows]
    again = like(world, list(drawn), reference, pool_metrics, tmp_path / "new", rows_written)
    first, second = run.numeric(), again.numeric()
    assert first.keys() == second.keys()
    for name, values in second.items():
        np.testing.assert_allclose(values, first[name][list(drawn)], rtol=0, atol=1e-6)
    stored = run.scores["notes"].take(pa.array(list(drawn))).to_pylist()
    assert [bool(n) for n in again.scores["notes"].to_pylist()] == [bool(n) for n in stored]


def test_fitted_parts_place_the_own_rows_where_they_were(world, make_run):
    """The computation itself, not the shortcut for rows that are known."""
    run = make_run(world, range(60))
    reference = Reference(run)
    pool = open_pool(run.folder, 0)
    for metric in ("embedding", "diversity", "map", "length_release"):
        scores = form_of(metric)(pool, reference)  # type: ignore[misc]
        for name, values in scores.columns.items():
            if name in PLAIN:
                continue
            found = np.array([np.nan if v is None else v for v in values], float)
            np.testing.assert_allclose(found, run.numeric()[name], rtol=0, atol=1e-6)


def test_a_new_row_stands_as_if_it_had_been_in_the_pool(
    world, make_run, rows_written, pool_metrics, tmp_path
):
    run = make_run(world, range(50))
    reference = Reference(run)
    new = [r for r in range(50, 60) if world.status[r] == "ok"]
    batch = like(world, new, reference, pool_metrics, tmp_path / "new", rows_written).numeric()
    for at, row in enumerate(new):
        joined = make_run(world, [*range(50), row], f"with-{row}").numeric()
        for name in PLAIN:
            assert batch[name][at] == pytest.approx(joined[name][-1], abs=1e-6), (name, row)


def test_a_score_does_not_depend_on_the_batch(
    world, make_run, rows_written, pool_metrics, tmp_path
):
    reference = Reference(make_run(world, range(40)))
    new = list(range(40, 60))
    together = like(world, new, reference, pool_metrics, tmp_path / "all", rows_written).numeric()
    for at, row in enumerate(new):
        alone = like(
            world, [row], reference, pool_metrics, tmp_path / f"one{row}", rows_written
        ).numeric()
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][at], rtol=0, atol=1e-6)


def test_the_same_id_with_other_content_is_a_new_row(
    world, make_run, rows_written, pool_metrics, tmp_path
):
    run = make_run(world, range(50))
    reference = Reference(run)
    other = like(
        world, [12, 52], reference, pool_metrics, tmp_path / "new", rows_written, ["x", "w12"]
    ).numeric()
    # a copy under another id has the reference's row as its neighbour, the row itself has not
    assert other["nearest_distance"][0] == pytest.approx(0, abs=1e-3)
    assert run.numeric()["nearest_distance"][12] > 0.01
    assert other["boilerplate"][0] == run.numeric()["boilerplate"][12] + 1
    assert other["image_pca_1"][1] != pytest.approx(run.numeric()["image_pca_1"][12], abs=1e-3)


def test_lost_stores_change_nothing(world, make_run, rows_written, pool_metrics, tmp_path):
    """Sample metrics and vectors that came out a little different are those of the reference."""
    run = make_run(world, range(50))
    folder = tmp_path / "new"
    rows_written(folder, world, range(30, 55))
    shifted = np.array(Run(folder, {}).numeric()["agreement"]) + 1e-3
    add_columns(folder, {"agreement": pa.array(shifted, from_pandas=True)})
    vectors = np.load(folder / "embeddings" / "image.npy")
    np.save(folder / "embeddings" / "image.npy", (vectors * 0.99).astype(np.float16))
    score_against(folder, pool_metrics, Reference(run), lambda *_: None)
    again = Run(folder, {})
    np.testing.assert_array_equal(
        again.numeric()["agreement"][:20], run.numeric()["agreement"][30:50]
    )
    np.testing.assert_array_equal(again.embedding("image")[:20], run.embedding("image")[30:50])
    good = ~np.isnan(shifted[20:])
    np.testing.assert_array_equal(again.numeric()["agreement"][20:][good], shifted[20:][good])


def test_what_the_reference_lacks_is_kept(world, make_run, rows_written, pool_metrics, tmp_path):
    """Its judge was down then; now there is an answer, which is not thrown away."""
    run = make_run(world, range(10))
    lost = np.array(run.numeric()["agreement"])
    lost[2] = np.nan
    add_columns(run.folder, {"agreement": pa.array(lost, from_pandas=True)})
    folder = tmp_path / "new"
    rows_written(folder, world, range(10))
    own = np.array(Run(folder, {}).numeric()["agreement"])
    score_against(folder, pool_metrics, Reference(Run.open(run.folder)), lambda *_: None)
    np.testing.assert_array_equal(Run(folder, {}).numeric()["agreement"], own)
    assert not np.isnan(own[2])


def test_landmarks_of_a_reference_are_made_once(world, make_run):
    reference = Reference(make_run(world, range(20)))
    assert reference.landmarks is reference.landmarks and len(reference.landmarks.rows)


def test_neighbours_block_by_block_are_those_of_all_at_once(world, make_run, monkeypatch):
    space = Reference(make_run(world, range(60))).space
    usable = np.flatnonzero(space.usable)
    monkeypatch.setattr("scoring.reference.neighbours.QUERIES", 7)
    monkeypatch.setattr("scoring.reference.neighbours.AMONG", 5)
    best, place = nearest_in(space, usable[:20], space, usable[20:], 4)
    cosines = space.rows(usable[:20]) @ space.rows(usable[20:]).T
    np.testing.assert_allclose(best, -np.sort(-cosines, axis=1)[:, :4], atol=1e-6)
    np.testing.assert_array_equal(place, cosines.argmax(axis=1))
    few, _ = nearest_in(space, usable[:3], space, usable[20:22], 10)
    assert few.shape == (3, 2)


def test_artefacts_come_along(world, make_run, rows_written, pool_metrics, tmp_path):
    run = make_run(world, range(50))
    again = like(world, range(50, 60), Reference(run), pool_metrics, tmp_path / "new", rows_written)
    for name in ("image_pca_mean", "text_pca_components", "diversity_centroids"):
        np.testing.assert_array_equal(again.artefact(name), run.artefact(name))


def test_a_run_scored_like_another_leads_to_it(world, make_run):
    first, second = make_run(world, range(30), "a"), make_run(world, range(30, 50), "b")
    import json

    manifest = json.loads((second.folder / "run.json").read_text()) | {"like": str(first.folder)}
    (second.folder / "run.json").write_text(json.dumps(manifest))
    assert Reference.open(second.folder).run.folder == first.folder
    manifest["reference"] = {"run_sha256": "0" * 64}
    (second.folder / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInputError, match="scored again"):
        Reference.open(second.folder)
