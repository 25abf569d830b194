"""Causal scores: how much of a neuron's effect on the output its explanation carries.

`alone` replaces one neuron at a time by its simulation, `together` many neurons of a layer at once;
`scorer` makes both parts of a run. docs/causal.md says what the numbers mean. Importing this
package loads nothing heavy.
"""
