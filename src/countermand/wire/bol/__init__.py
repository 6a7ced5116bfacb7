"""What both dialects of bol share."""
