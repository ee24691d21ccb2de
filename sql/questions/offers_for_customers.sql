-- What should I offer this customer, and why?
-- The products of recommendation.for_customer with the reason in words and how many customers stand behind it; add
-- `where customer_id = '…'`. The first ones are the best for this customer; scores of two customers cannot be
-- compared. Nothing that was bought lately, is withdrawn or is out of stock.
with final as (
    select
        r.customer_id,
        r.rank,
        r.product_id,
        r.product_name,
        r.category,
        r.price,
        case r.reason_type
            when 'because_you_bought' then 'Bought ' || r.reason_product_name || ': of '
                || r.evidence_of_customers::text || ' customers with it, '
                || r.evidence_customers::text || ' have this too'
            when 'bought_together' then 'Often bought on one day with ' || r.reason_product_name || ': of '
                || r.evidence_of_customers::text || ' customers with it, '
                || r.evidence_customers::text || ' have this too'
            when 'because_you_viewed' then
                case
                    when r.reason_product_id = r.product_id then 'Looked at it and has not bought it'
                    else 'Looked at ' || r.reason_product_name || ': of '
                        || r.evidence_of_customers::text || ' customers with it, '
                        || r.evidence_customers::text || ' have this too'
                end
            when 'popular_in_category' then 'Likes ' || r.category || ': bought by '
                || r.evidence_customers::text || ' of ' || r.evidence_of_customers::text || ' buyers there'
            when 'popular_in_segment' then 'Bought by ' || r.evidence_customers::text || ' of '
                || r.evidence_of_customers::text || ' buyers of the same age and place'
            else 'Bought by ' || r.evidence_customers::text || ' of '
                || r.evidence_of_customers::text || ' buyers'
        end as why,
        r.reason_type,
        r.reason_product_name,
        f.segment as rfm_segment,
        c.currency
    from recommendation.for_customer as r
    cross join core.clock as c
    left join customer.rfm as f on r.customer_id = f.customer_id
)

select * from final
order by customer_id, rank
