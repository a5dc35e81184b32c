"""Clip art is divided as it should be: links with their targets, series cut down."""

import csv
import json
import re

import numpy as np

from benchmarks.coresets.clipart import BY, CAP, capped, clipart_list
from finetune.reduce.split import split_by_class


def test_links_go_with_their_targets_and_series_are_cut_down(tmp_path):
    ids = [f"clipart/pets/cat{kind}_{n}" for kind in "abcdefgh" for n in range(8)]
    ids += [f"clipart/flags/flag_{n}" for n in range(90)]  # one series
    ids += [f"clipart/flags/other{chr(97 + n)}" for n in range(26)]
    links = {f"clipart/felines/link{chr(97 + n)}": ids[8 * n] for n in range(8)}
    few = [f"clipart/rare/r{n}" for n in range(3)]
    every = [*ids, *links, *few]
    with (tmp_path / "pictures.jsonl").open("w") as file:
        for one in [*every, "units/not/this"]:
            label = one.rpartition("/")[0]
            file.write(json.dumps({"id": one, "image": f"{one}.png", "label": label}) + "\n")
    with (tmp_path / "pictures_truth.csv").open("w", newline="") as file:
        made = csv.DictWriter(file, ["id", "link"])
        made.writeheader()
        made.writerows({"id": one, "link": links.get(one, "")} for one in every)
    path, told = clipart_list(tmp_path, range(3), 10, lambda line: None)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert told["kept"] == len(records) and told["dropped"] == ["clipart/felines", "clipart/rare"]
    groups = np.array([re.search(BY, one["id"])[1] for one in records])
    assert max(np.unique(groups, return_counts=True)[1]) == CAP
    labels = np.unique([one["label"] for one in records], return_inverse=True)[1]
    names = np.array([one["id"] for one in records], object)
    for seed in range(3):
        train, test = split_by_class(names, labels, np.unique(groups, return_inverse=True)[1],
                                     seed=seed)  # fmt: skip
        assert np.bincount(labels[train]).min() >= 10 and len(test) <= 0.2 * len(names)


def test_a_cap_is_met_and_hangs_on_the_ids():
    ids, groups = np.array([f"r{n}" for n in range(50)], object), np.repeat(["a", "b"], [40, 10])
    rows = capped(ids, groups, 15)
    assert np.bincount(np.unique(groups[rows], return_inverse=True)[1]).tolist() == [15, 10]
    back = capped(ids[::-1], groups[::-1], 15)
    assert sorted(49 - back) == rows.tolist()
