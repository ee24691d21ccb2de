-- Where does the shop stand in its visitors' way?
-- The twenty findings of the last 90 days that may have cost most: pages, products or devices where visits
-- fail more often than at comparable places, by more than chance (what each `problem` means is told at
-- behavior.friction). `rate` is the share of failures, `affected_cases` of `cases`, and `benchmark` the same
-- at comparable places. The lost sales are a rough estimate over 90 days. No row means no finding, not no
-- data.
with final as (
    select
        f.rank,
        f.problem,
        f.subject_type,
        f.subject,
        coalesce(f.product_name, f.subject) as name,
        f.device_type,
        f.sessions,
        f.cases,
        f.affected_cases,
        f.rate,
        f.ci_low,
        f.ci_high,
        f.benchmark,
        f.difference,
        f.est_lost_sales,
        f.currency
    from behavior.friction as f
    where f.rank <= 20
)

select * from final
order by rank
