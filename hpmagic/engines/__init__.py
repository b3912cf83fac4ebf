"""Where trials run: in the kernel, in worker processes, on a Ray or a Dask cluster."""
