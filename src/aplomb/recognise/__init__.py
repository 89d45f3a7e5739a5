"""What is in a picture: networks that segment and classify, objects from their maps, and tables of objects."""
