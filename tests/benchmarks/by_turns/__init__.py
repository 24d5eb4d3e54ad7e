"""Programs that train the same model by turns, each in a process of its own: `bench_training.py` is what calls this.

contestants.py      which programs take part: our engines (our_engine.py) and those in ../peers
problems.py         what they train
worker.py           what runs one of them, in its process; worker_process.py: the parent's side of that process
rounds.py           the measurement
tables.py, step_plot.py, hardware.py   what was measured, and on what machine
"""
