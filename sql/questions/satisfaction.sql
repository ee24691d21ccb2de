-- How satisfied are our customers, and does a bad rating cost orders?
-- All rated sales lines together, then by rating (`low` up to 2, `middle`, `high` 4 and more), then by
-- category. `retention_rate_90d` is the part of the customers who ordered again within 90 days of their first
-- rated order in the row, among those whose rated order is at least so old: compare it between low and high.
-- Without ratings all is NULL.
with final as (
    select
        s.breakdown,
        s.member,
        s.ratings,
        s.rating_average,
        s.rating_low,
        s.rating_high,
        s.mature_customers,
        s.retained_customers,
        s.retention_rate_90d,
        s.ci_low,
        s.ci_high,
        s.gross_less_discounts,
        s.returns,
        s.return_rate,
        s.low_n,
        s.currency,
        case s.breakdown when 'all' then 1 when 'rating' then 2 else 3 end as sort_order
    from customer.satisfaction as s
    where s.breakdown in ('all', 'rating', 'category')
)

select * from final
order by sort_order, rating_average nulls last, member
