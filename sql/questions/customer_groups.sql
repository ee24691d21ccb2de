-- Which groups of customers are there, by taste, place and habit?
-- The ten largest groups of each way to group: preference (the favourite category, if it is liked clearly
-- more than by others), location (places with at least one customer in a hundred) and habit (how often they
-- buy, and whether on discount only). Shares are of all customers and of all their net sales. A customer
-- stands once in each way.
with ranked as (
    select
        g.breakdown,
        row_number() over (
            partition by g.breakdown order by g.customers desc, g.net_sales desc, g.member
        ) as rank,
        g.member,
        g.customers,
        g.customer_share,
        g.purchasing_customers,
        g.repeat_customers,
        g.repeat_rate,
        g.net_sales,
        g.net_sales_share,
        g.orders,
        g.ordered_value,
        g.aov,
        g.low_n,
        g.currency
    from customer.group_profiles as g
    where g.breakdown in ('preference', 'location', 'habit')
),

final as (
    select
        r.breakdown,
        r.rank,
        r.member,
        r.customers,
        r.customer_share,
        r.purchasing_customers,
        r.repeat_customers,
        r.repeat_rate,
        r.net_sales,
        r.net_sales_share,
        r.orders,
        r.ordered_value,
        r.aov,
        r.low_n,
        r.currency,
        case r.breakdown when 'preference' then 1 when 'location' then 2 else 3 end as sort_order
    from ranked as r
    where r.rank <= 10
)

select * from final
order by sort_order, rank
