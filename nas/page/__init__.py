"""Pages of runs: one HTML file of searches, trainings, studies, fits and tables, to look at and to send."""
