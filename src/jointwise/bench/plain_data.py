import math, torch
from torch.nn import functional
def cut_clip(slots, frames, generator, crop, rotation):
    M,T,V,C = slots.shape
    share = crop + (1-crop)*torch.rand(1,generator=generator).item()
    n = max(2, round(T*share)); start = int(torch.rand(1,generator=generator).item()*(T-n+1))
    part = slots[:, start:start+n]
    flat = part.permute(0,2,3,1).reshape(1,-1,n)
    flat = functional.interpolate(flat, size=frames, mode="linear", align_corners=False)
    clip = flat.reshape(M,V,C,frames).permute(0,3,1,2)
    return clip.contiguous()
