-- Which 20 % of the customers bring which share of revenue?
-- One row per tenth of the customers, the best first: the second row tells of the best 20 %. `cum_share` is
-- the part of the net sales of all known customers that this tenth and those before bring, over all time and
-- with returns deducted; it can pass 1 before the end, where the last customers gave back more than they
-- kept. Guests are left out.
with final as (
    select
        c.decile,
        c.customers,
        c.net_sales,
        c.share,
        c.cum_customers,
        c.cum_customer_share,
        c.cum_net_sales,
        c.cum_share,
        c.net_sales_per_customer,
        c.smallest_net_sales,
        c.currency
    from kpi.revenue_concentration as c
)

select * from final
order by decile
