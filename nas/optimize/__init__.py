"""The search behind `nas.search`: the request, the proof, Optuna's trials, the run and its folder."""
