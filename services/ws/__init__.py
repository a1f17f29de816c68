"""The WebSocket gateway: one process, or as many as you like, between core's update stream and clients."""
