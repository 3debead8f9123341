"""The paper's comparisons on networks of our own: each a measurement, a finding and a plot."""
