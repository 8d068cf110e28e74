"""Models: candidates trained as of a partition, compared on the newest rows, judged by the gate.

`split` holds out the newest rows, `encode` turns features into numbers, `candidates` holds the
algorithms, `train` compares them by `metrics` and refits the best, `gate` decides by `blocks` of
days whether it replaces the champion, `model_file` writes and reads it without pickle.
"""
