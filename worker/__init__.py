"""What stands between RunPod's SDK and the engine."""
