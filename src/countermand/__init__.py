"""Order-item cancellation for marketplaces and dropship networks."""
