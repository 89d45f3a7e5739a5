from hypothesis import settings

# the same examples in every run, and no quarrel with a busy machine
settings.register_profile("aplomb", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("aplomb")
