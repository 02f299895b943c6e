# ruff: noqa: E501 - sentences and table rows
"""docs/numbers.md from bench/results/*.json: `python -m bench.table`. What was asked stands beside what was reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import table_masks
from bench.machine import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "numbers.md"

HEAD = """# What was measured

Made by `python -m bench.table` from `bench/results/*.json`, which `make bench` writes. Every file there names its machine and its hour.

"""


def load(name: str) -> dict[str, Any] | None:
    """One result, or None where it was not measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def share(measure: dict[str, Any]) -> str:
    """98.3 % (97.1 to 99.2)"""
    if measure["value"] is None:
        return "-"
    text = f"{100 * measure['value']:.1f} %"
    if measure.get("low") is None:
        return text
    return f"{text} ({100 * measure['low']:.1f} to {100 * measure['high']:.1f})"


def asked() -> list[str]:
    """The table of numbers asked against reached."""
    rows = ["| what | asked | reached |", "|---|---|---|"]
    if demo := load("demo"):
        steps = ", ".join(f"{name} {seconds:.0f}" for name, seconds in demo["seconds"].items())
        rows.append(
            f"| `telltale demo`, after installation | {demo['target_s']:.0f} s | {demo['wall_s']:.0f} s ({steps}) |"
        )
    if accuracy := load("accuracy"):
        overall = accuracy["telltale"]["heads"]["overall"]
        right, told = share(overall["told_accuracy"]), share(overall["coverage"])
        rows.append(f"| told answers right, views never seen | 99 % | {right} |")
        rows.append(f"| of all answers, told | 85 % | {told} |")
        surest = accuracy["telltale"]["right_at_target_coverage"]
        least = min(value for name, value in surest.items() if name != "overall")
        rows.append(
            f"| right among the surest 85 %, overall and worst head | 99 % | {100 * surest['overall']:.2f} %, {100 * least:.2f} % |"
        )
    if speed := load("collect"):
        rates = ", ".join(f"{size}: {told['frames_per_s']:.1f}" for size, told in speed["sizes"].items())
        rows.append(f"| saved pictures a second, car page | {speed['target_frames_per_s']:.0f} | {rates} |")
    if latency := load("serve_latency"):
        rows.append(f"| answer over a socket / decode, resize and run alone | 1.5 | {latency['ratio']:.2f} |")
    if flood := load("serve_load"):
        flooded = flood.get("flood", flood)
        rows.append(f"| 8 clients at full speed: connections lost | 0 | {flooded.get('lost', '?')} |")
    rows += _live()
    rows += table_masks.rows(load)
    if stream := load("stream_loop"):
        rows += [_stream(run) for run in stream["runs"]]
    if camera := load("edge_jpeg"):
        case = camera["cases"][0]
        reached = f"{case['per_picture'] / 1e6:.2f} M a picture, {case['whole_run'] / 1e6:.2f} M a run"
        rows.append(
            f"| `telltale-cam`, {case['title']} JPEG to tell, ARMv7 instructions | {camera['target'] / 1e6:.0f} M | {reached} |"
        )
    if browser := load("browser"):
        rows.append(f"| the browser's golden set, largest difference | 1e-3 | {browser['report']['maxDiff']:.1e} |")
    if edge := load("edge"):
        for net, limit in (("net4", 0.95), ("unet_small", 11.6)):
            told = edge["nets"][net]
            rows.append(
                f"| `{net}.onnx` in C, ARMv7 instructions an inference | {limit:g} M | {told['armv7 instructions'] / 1e6:.3g} M; scalar C "
                f"{told['armv7-scalar instructions'] / 1e6:.3g} M; {told['arena_bytes'] / 1024:.1f} KiB with the input, code {told['armv7 code_bytes'] / 1024:.1f} KiB |"
            )
    if parking := load("smaller"):
        slot = parking["parking"]
        rows.append(
            f"| a parking slot in int8 C, slots never trained | 99.8 %; 1.5 M multiply-adds, 64 KB | {100 * slot['right_int8']:.1f} % of {slot['answers']}; "
            f"{slot['macs'] / 1e6:.2f} M, {slot['all_told_bytes'] / 1000:.0f} KB |"
        )
    if car := load("smaller_car"):
        less, low, high = (100 * value for value in car["student_less_nano"]["all"])
        rows.append(
            f"| the car page's five heads in int8 C, less the `nano` bundle, views never seen | -1 point; 5 M multiply-adds | "
            f"{less:+.1f} points ({low:+.1f} to {high:+.1f}); {car['student']['macs'] / 1e6:.2f} M |"
        )
    if synth := load("synth"):
        rates = ", ".join(f"{name.replace('_', ' ')} {rate:g}" for name, rate in synth["pictures_per_s"].items())
        rows.append(f"| defects made, pictures a second (kind, side in pixels, threads) | - | {rates} |")
    if augment := load("train_augment"):
        rows.append(f"| augmentation's share of a training step on the CPU | 0.33 | {_augment(augment)} |")
    return rows


def _stream(run: dict[str, Any]) -> str:
    got, memory = run["server"], run["memory"]
    slopes = ", ".join(f"{m['mib_per_hour']:g} ± {m['error']:g}" for m in memory.values())
    asked = {"plain": "1 px", "textured": "2 px"}.get(run["scene"], "-")
    return (
        f"| the ball, {run['scene']}, {run['size']} at {run['fps']:g} frames a second for {run['seconds']:g} s, load {run['load_before']:g} before "
        f"| mean {asked}; p50 70 ms, p95 110 ms | mean {got['mean_px']:.2f}, p95 {got['p95_px']:.2f} px; p50 {got['p50_ms']:.0f}, p95 {got['p95_ms']:.0f}, "
        f"max {got['max_ms']:.0f} ms; of {got['sent']} frames {got['answered']} answered, {got['dropped']} dropped, {got['lost']} lost; "
        f"memory of server and client {slopes} MiB an hour |"
    )


def _live() -> list[str]:
    """Batches, viewers, a bad network, a detector of one's own."""
    rows = []
    if batch := load("serve_batch"):
        most = max(row["streams"] for row in batch["rows"])
        told = "; ".join(
            f"`{row['net']}` {row['way']} {row['answers_per_s']:.0f} a second, p50 {row['p50_ms']:.0f}, p95 {row['p95_ms']:.0f} ms"
            for row in batch["rows"]
            if row["streams"] == most
        )
        rows.append(f"| {most} streams that wait for their answers, alone and together | - | {told} |")
    if viewers := load("stream_viewers"):
        told = "; ".join(
            f"{run['viewers']}: {run['frames_per_s']['median']:.1f} frames a second (least {run['frames_per_s']['least']:.1f}), "
            f"told {run['told_per_s']:.1f}, age p95 {run['age_ms']['p95']:.0f} ms"
            for run in viewers["runs"]
        )
        rows.append(
            f"| viewers of one stream of 15 frames a second, viewers on the same machine, load {viewers['load_before']:g} before | - | {told} |"
        )
    if network := load("stream_network"):
        for run in network["runs"]:
            rows.append(
                f"| the ball with {100 * run['loss']:.0f} % of packets lost, others up to {run['jitter_ms']:.0f} ms late, {run['seconds']:g} s, load {network['load_before']:g} before | - "
                f"| of {run['sent']} frames {run['answered']} answered, {run['dropped']} dropped, {run['lost']} lost; mean {run['mean_px']:.2f} px; "
                f"p50 {run['p50_ms']:.0f}, p95 {run['p95_ms']:.0f} ms; {run['asked_again']} times asked again, {run['key_frames_asked']} key frames asked for |"
            )
        told = ", ".join(f"{s:.1f}" for s in network["reconnect_s"])
        came = f"{len(network['reconnect_s'])} of {network['restarts']} seen within 7 s"
        rows.append(f"| server killed and started again: until the next frame | 5 s | {told} s; {came} |")
    if locate := load("stream_locate"):
        for run in locate["still"]:
            rows.append(
                f"| `{run['detector']}` on {run['scene']}, {run['pictures']} pictures without a codec | - | mean {run['mean_px']:.2f}, p95 {run['p95_px']:.2f} px, "
                f"{run['unseen']} not seen, {run['off_by_more_than_5_px']} off by more than 5 px; {run['median_ms']:.1f} ms |"
            )
        for run in locate["live"]:
            rows.append(
                f"| `{run['detector']}` on {run['scene']}, live | - | mean {run['mean_px']:.2f}, p95 {run['p95_px']:.2f} px; p50 {run['p50_ms']:.0f}, p95 {run['p95_ms']:.0f} ms; "
                f"of {run['sent']} frames {run['answered']} answered |"
            )
    return rows


def _augment(numbers: dict[str, Any]) -> str:
    return ", ".join(
        f"{row['backbone']} {row['share']:.2f}" for row in numbers["steps"] if row["precision"] == "32-true"
    )


def heads() -> list[str]:
    """Accuracy of each head, beside the plain CNN."""
    found = load("accuracy")
    if found is None:
        return []
    rows = [
        "",
        "## Accuracy on the car page",
        "",
        f"{found['pictures']['test']} test pictures of other views and looks than the {found['pictures']['train']} trained on and the "
        f"{found['pictures']['calibration']} calibrated on; {len(found['never_trained'])} of 32 combinations were never trained; "
        f"{found['minutes']:g} minutes of training, and as much processor time for the plain CNN as all cores give in them; 95 % intervals, combinations resampled. Near-duplicates of training "
        f"pictures among the test pictures: {found['near_duplicates_of_training_in_test']}. Thresholds by the same rule for both.",
        "",
        "| | telltale: told | of those right | accuracy | AUROC | plain CNN: told | of those right | accuracy | AUROC |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    plain = found["plain_cnn"]["heads"]
    for name, row in found["telltale"]["heads"].items():
        cells = [share(side[key]) for side in (row, plain[name]) for key in ("coverage", "told_accuracy", "accuracy")]
        aurocs = [
            f"{side['auroc']['value']:.3f}" if side["auroc"]["value"] is not None else "-"
            for side in (row, plain[name])
        ]
        rows.append(f"| {name} | {' | '.join([*cells[:3], aurocs[0], *cells[3:], aurocs[1]])} |")
    for part, row in found["telltale"]["parts"].items():
        cells = [share(row[key]) for key in ("coverage", "told_accuracy", "accuracy")]
        rows.append(
            f"| *{part}* ({row['pictures']} pictures) | {' | '.join(cells)} | {row['auroc']['value']:.3f} | | | | |"
        )
    model = found["telltale"]
    rows += [
        "",
        f"telltale: `{model['backbone']}`, {model['parameters']:,} parameters, {model['macs'] / 1e6:.1f} M multiply-adds, "
        f"{model['epochs']} epochs. Plain CNN: three layers of 32, 64 and 128 channels, 134,853 parameters, 160x160.",
    ]
    return rows


def located() -> list[str]:
    """Where a ball is, each video told by a net that never saw it."""
    found = load("locate_accuracy")
    if found is None:
        return []
    rows = [
        "",
        "## Where a ball is",
        "",
        "Each row is tested on a video, or pictures, that the net was not trained on; asked of the videos: 95 % of the centres within 5 px, "
        "and something told in at most 2 % of the frames without a ball. 95 % intervals, hundreds of frames (or pictures) resampled. "
        "Colour: the largest blob of the ball's colours, learned from the same pictures.",
        "",
        "| tested on | minutes, one thread | objects within 5 px | found | AP50 | AP50-95 | centre off, mean and 95th percentile, px "
        "| told where there is none | colour: within 5 px | told where there is none |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, fold in found["folds"].items():
        ours, plain = fold["telltale"], fold.get("colour")
        empty = fold["empty"]["test"]
        cells = [
            share(ours["near"]),
            share(ours["recall"]),
            *(f"{ours[key]['value']:.3f}" for key in ("ap50", "ap")),
            f"{ours['centre_px']['value']:.1f}, {ours['centre_p95_px']['value']:.1f}",
            f"{share(ours['false_empty'])} of {empty}" if empty else "none there",
            f"{100 * plain['near']:.1f} %" if plain else "-",
            f"{100 * plain['false_empty']:.1f} %" if plain and plain["false_empty"] is not None else "-",
        ]
        rows.append(f"| {name}, {fold['pictures']['test'] - empty} with | {fold['minutes']:g} | {' | '.join(cells)} |")
    shapes = [
        f"{name} {100 * fold['by_shape'][kind]['near']:.1f} % of {fold['by_shape'][kind]['balls']}"
        for kind in ("square", "other")
        for name, fold in found["folds"].items()
        if kind in fold.get("by_shape", {})
    ]
    if shapes:
        half = len(shapes) // 2
        rows += [
            "",
            "Some labels mark the whole ball, some what can be seen of it, and a net cannot know which. Where the box is nearly square and off the picture's edge, as "
            f"a whole ball's is, the centre is within 5 px in {', '.join(shapes[:half])}; elsewhere in {', '.join(shapes[half:])}.",
        ]
    for fold in found["folds"].values():
        if checked := fold.get("checked"):
            ball, none = checked["ball"], checked["none"]
            rows += [
                "",
                f"Of vid-4's frames with an empty label, {checked['looked_at']} were looked at: {checked['show_a_ball']} show a ball. These "
                f"labels were taken for unknown. Of {ball['frames']} of them with a whole, sharp ball the net tells one in {ball['told']}; of the "
                f"{none['frames']} without any, in {none['told']}.",
            ]
    return rows


def machines() -> list[str]:
    """Where and when each file was measured."""
    rows = ["", "## Where", "", "| file | measured | machine |", "|---|---|---|"]
    for path in sorted(RESULTS.glob("*.json")):
        told = json.loads(path.read_text())
        machine = told["machine"]
        rows.append(f"| {path.name} | {told['measured']} | {machine['processor']}, {machine['cores']} cores |")
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    sections = [*asked(), *heads(), *table_masks.section(load), *located(), *machines()]
    PAGE.write_text(HEAD + "\n".join(sections) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
