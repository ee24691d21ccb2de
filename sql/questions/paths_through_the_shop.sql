-- How do people walk through the shop?
-- The ten most frequent ways in which visits begin, by kind of event and by kind of page (`level`): the first
-- five different steps, the same step several times in a row counted once. `EXIT` closes a way that is the
-- whole visit. `share` is of all visits, `session_conversion` the part of these visits that ended in a
-- purchase.
with final as (
    select
        p.level,
        p.rank,
        p.path,
        p.is_whole,
        p.sessions,
        p.all_sessions,
        p.share,
        p.converted_sessions,
        p.session_conversion,
        p.ci_low,
        p.ci_high,
        p.low_n
    from behavior.top_paths as p
    where p.rank <= 10
)

select * from final
order by level, rank
