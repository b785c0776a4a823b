"""What a running node tells about itself: logs, metrics, health, and the small HTTP door that serves them.

Nothing here is asked by another room to decide anything, and nothing here knows those rooms: they are seen through the
protocols of health.py and sources.py, which `app` connects.
"""
