"""What the stores have in common whose tasks outlive the process, and are worked on by several processes."""
