"""What the method is: windows, their scores, which are kept, and the block that runs on those."""
