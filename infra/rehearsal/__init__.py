"""The real deployment, rehearsed on one's own machine: see docs/deploying.md."""
