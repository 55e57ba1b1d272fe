"""The parts of the nets that are trained by gradient descent, one idea per file.

Nets are trained with Keras, and forecast in NumPy; these files import no Keras:

options         a recurrent candidate's section of params.yaml
structure       what follows from the options: the shapes of head and weights, and what a head's numbers mean
inference       the forward pass of a whole net, from its stored weights
numpy_cells     the recurrent cells
numpy_heads     the heads
batches         forecasts in batches on all cores
files           the weights of nets: the same bytes for the same net; .keras files of older releases, in safe mode

These do, and a family imports them when it trains a net:

windowed        the net's inputs, windows gathered on the device, and the loss over the observed targets
normalisation   scales each window by its own level, and restores the scale of its forecast
tokens          the lookback as steps or segments, with channels together or separate
cells           stacked layers of recurrent cells
recurrences     those layers with their backward pass written out
heads           from the last state to the forecast: direct and query heads
recursive       the recursive head, which feeds each forecast back as the next input
outputs         what a head's numbers mean: a point, quantiles, a normal distribution or a probability
layers          the base class of the project's own layers
training        the recipe: batches, optimiser, clipping, learning rate schedule, early stopping
training_state  the learning curve, early stopping, and how a training resumes after it was killed
device          on which device a net was trained
engine          what Keras does not cover: devices, several machines, gradients
gradients       how much of the gradient reaches each step of the lookback
recursion       recursive forecasts of the lecture's net
"""
