"""The staff's door and the domain of a professional-services firm."""
