"""The worker as a whole: real `python handler.py` processes behind a stand-in for RunPod's queue."""
