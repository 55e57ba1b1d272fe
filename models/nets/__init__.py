"""The parts of nets that learn by gradient, one idea a file; only here is Keras imported.

windowed        windows gathered on the device, and the loss over what was observed
normalisation   a window in its own units, and back
tokens          the lookback as steps or as segments, channels together or apart
cells           layers of recurrent cells
heads           from the last state to the horizon: direct, queries
recursive       and by walking it, fed back
outputs         what a head's numbers mean: a point, quantiles, a normal distribution
layers          layers of our own, which say how to make them again
training        the recipe: batches, optimiser, clipping, schedule, early stopping
course          the learning curve, when to stop, and how to go on after a kill
device          on what a net learns
engine          what Keras has no word for: devices, machines, gradients
gradients       how much of the gradient reaches each step of the lookback
walk            forecasts fed back, step by step
files           nets written to the byte, and read in safe mode
"""
