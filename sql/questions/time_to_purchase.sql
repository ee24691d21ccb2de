-- How long do people think before they buy?
-- For all goods the time from the first view of the product, from the last view before the purchase and from
-- the beginning of the visit; for each category that from the first view. Half of the measured purchases
-- (`n`) took less time than the median: read it before the mean, which few slow buyers lengthen. Purchases
-- without a view in the days before (`purchases_without_view`) cannot be measured, and people who have not
-- bought are missing altogether.
with final as (
    select
        t.scope,
        t.key as member,
        t.clock,
        t.purchases,
        t.purchases_without_view,
        t.n,
        t.p25_seconds,
        t.median_seconds,
        t.p75_seconds,
        t.p90_seconds,
        t.mean_seconds,
        t.mean_views_before,
        t.mean_sessions_before,
        t.low_n
    from behavior.time_to_purchase as t
    where t.scope = 'all' or (t.scope = 'category' and t.clock = 'first_view')
)

select * from final
order by scope, clock, member
