"""The proof: what choosing is worth on pools with known defects, with intervals, from one command.

``python -m benchmarks.proof`` writes ``docs/proof.md``, ``docs/proof/*.json`` and the plots there.
"""
