"""What strangers wrote, files and homework, is read in processes of their own: what they may do, how they answer."""
