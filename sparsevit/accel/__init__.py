"""Ways to run a sparsified network faster still: CUDA graphs, compiling."""
