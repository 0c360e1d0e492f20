"""Rights management (MS-ASRM): licences read, and one gate that everything passes which touches protected content."""
