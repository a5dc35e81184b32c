"""Arms trained and measured alike: is the choice better than random, and than everything?"""
